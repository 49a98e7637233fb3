import { invalidField } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { parseName, parseUuid } from '#platform/net/names.ts';
import { etagOf } from '#platform/store/etag.ts';
import { checkMask } from '#platform/store/request-mask.ts';
import type { Versioned } from '#platform/store/store.ts';
import { Ipv6AddressMode as ModeMessage } from '#proto/weft/ipam/v1/ipam.ts';
import type {
  AllocationPool as PoolMessage,
  HostRoute as RouteMessage,
  Subnet as Message,
} from '#proto/weft/ipam/v1/ipam.ts';
import type { AllocationPool } from '../domain/allocation-pool.ts';
import type { HostRoute, Ipv6AddressMode, Subnet, SubnetWish } from '../domain/subnet.ts';

/** The subnet of a request. Throws `invalid` when there is none. */
export const required = (message: Message | undefined): Message => {
  if (message === undefined) throw invalidField('subnet', undefined, 'is required');
  return message;
};

/** All settings of a subnet that is to be made. Throws `invalid`. */
export const toWish = (message: Message): SubnetWish => ({
  name: READERS.name(message),
  gatewayIp: READERS.gatewayIp(message),
  allocationPools: READERS.allocationPools(message),
  dnsNameservers: READERS.dnsNameservers(message),
  hostRoutes: READERS.hostRoutes(message),
  enableDhcp: READERS.enableDhcp(message),
});

/** What an update changes; the fields that the mask does not name are not even looked at. Throws `invalid`. */
export const toPatch = (message: Message, mask: readonly string[]): Partial<SubnetWish> =>
  Object.fromEntries(
    checkMask(mask, [...MUTABLE.keys()], 'subnet').map((field) => {
      const key = MUTABLE.get(field) ?? 'name';
      return [key, READERS[key](message)];
    }),
  );

/** A subnet as callers see it. */
export const toMessage = ({ value, version }: Versioned<Subnet>): Message => ({
  id: value.id,
  network_id: value.networkId,
  name: value.name,
  cidr: value.cidr.text,
  ip_version: value.cidr.version,
  gateway_ip: value.gatewayIp ?? '',
  allocation_pools: value.allocationPools.map(({ start, end }) => ({ start, end })),
  dns_nameservers: [...value.dnsNameservers],
  host_routes: value.hostRoutes.map(({ destination, nexthop }) => ({ destination: destination.text, nexthop })),
  enable_dhcp: value.enableDhcp,
  ipv6_address_mode: modeMessage(value.ipv6AddressMode),
  etag: etagOf(version),
  revision_number: version.toString(),
  create_time: value.createTime,
  update_time: value.updateTime,
});

/** Fields that may change, as the proto names them and as this service does. */
const MUTABLE: ReadonlyMap<string, keyof SubnetWish> = new Map([
  ['name', 'name'],
  ['gateway_ip', 'gatewayIp'],
  ['allocation_pools', 'allocationPools'],
  ['dns_nameservers', 'dnsNameservers'],
  ['host_routes', 'hostRoutes'],
  ['enable_dhcp', 'enableDhcp'],
]);

const READERS = {
  name: ({ name }: Message) => parseName('subnet.name', name),
  gatewayIp: ({ gateway_ip }: Message): SubnetWish['gatewayIp'] => {
    if (gateway_ip === undefined) return 'default';
    return gateway_ip === '' ? 'none' : parseUnicastIp('subnet.gateway_ip', gateway_ip);
  },
  allocationPools: ({ allocation_pools }: Message): readonly AllocationPool[] => allocation_pools.map(toPool),
  dnsNameservers: ({ dns_nameservers }: Message): readonly IpAddress[] =>
    dns_nameservers.map((text, at) => parseUnicastIp(`subnet.dns_nameservers[${at.toString()}]`, text)),
  hostRoutes: ({ host_routes }: Message): readonly HostRoute[] => host_routes.map(toRoute),
  enableDhcp: ({ enable_dhcp }: Message) => enable_dhcp ?? true,
} satisfies { readonly [Key in keyof SubnetWish]: (message: Message) => SubnetWish[Key] };

const toPool = ({ start, end }: PoolMessage, at: number): AllocationPool => {
  const field = `subnet.allocation_pools[${at.toString()}]`;
  return { start: parseUnicastIp(`${field}.start`, start), end: parseUnicastIp(`${field}.end`, end) };
};

const toRoute = ({ destination, nexthop }: RouteMessage, at: number): HostRoute => {
  const field = `subnet.host_routes[${at.toString()}]`;
  return {
    destination: parseCidr(`${field}.destination`, destination),
    nexthop: parseUnicastIp(`${field}.nexthop`, nexthop),
  };
};

const MODES = {
  'dhcpv6-stateful': ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATEFUL,
  'dhcpv6-stateless': ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATELESS,
  slaac: ModeMessage.IPV6_ADDRESS_MODE_SLAAC,
} as const satisfies Record<Ipv6AddressMode, ModeMessage>;

const modeMessage = (mode: Ipv6AddressMode | undefined): ModeMessage =>
  mode === undefined ? ModeMessage.IPV6_ADDRESS_MODE_UNSPECIFIED : MODES[mode];

/** Undefined where it is not said. Throws `invalid` for an unknown one. */
export const readMode = ({ ipv6_address_mode: message }: Message): Ipv6AddressMode | undefined => {
  switch (message) {
    case ModeMessage.IPV6_ADDRESS_MODE_UNSPECIFIED:
      return undefined;
    case ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATEFUL:
      return 'dhcpv6-stateful';
    case ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATELESS:
      return 'dhcpv6-stateless';
    case ModeMessage.IPV6_ADDRESS_MODE_SLAAC:
      return 'slaac';
    case ModeMessage.UNRECOGNIZED:
      throw invalidField('subnet.ipv6_address_mode', message, 'is not an address mode');
  }
};

/** The id that a creator may give. Throws `invalid`. */
export const givenId = (field: string, id: string): ReturnType<typeof parseUuid> | undefined =>
  id === '' ? undefined : parseUuid(field, id);

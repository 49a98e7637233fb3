import { invalidField } from '#platform/errors/domain-error.ts';
import { overlaps, parseCidr } from '#platform/net/cidr.ts';
import type { Cidr } from '#platform/net/cidr.ts';
import { ipVersion } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { ResourceName, Uuid } from '#platform/net/names.ts';
import { checkPools, defaultPools, holds } from './allocation-pool.ts';
import type { AllocationPool } from './allocation-pool.ts';
import { firstHost, isHostOf } from './host-range.ts';

/** A route that guests get. */
export interface HostRoute {
  readonly destination: Cidr;
  readonly nexthop: IpAddress;
}

/** How guests of an IPv6 subnet get their addresses. */
export type Ipv6AddressMode = 'dhcpv6-stateful' | 'dhcpv6-stateless' | 'slaac';

/** What of a subnet may change. */
export interface SubnetSettings {
  readonly name: ResourceName;
  /** Undefined: there is none. */
  readonly gatewayIp: IpAddress | undefined;
  readonly allocationPools: readonly AllocationPool[];
  readonly dnsNameservers: readonly IpAddress[];
  readonly hostRoutes: readonly HostRoute[];
  readonly enableDhcp: boolean;
}

/** A prefix of a network, and how its addresses are given out. */
export interface Subnet extends SubnetSettings {
  readonly id: Uuid;
  readonly networkId: Uuid;
  readonly cidr: Cidr;
  /** Absent: not said, which means `dhcpv6-stateful`; always absent for IPv4. */
  readonly ipv6AddressMode?: Ipv6AddressMode;
  /** ISO 8601, UTC. */
  readonly createTime: string;
  readonly updateTime: string;
}

/** Settings as a caller gives them: what has a default may be left to it. */
export interface SubnetWish extends Omit<SubnetSettings, 'gatewayIp' | 'allocationPools'> {
  /** `default`: the first host address. */
  readonly gatewayIp: IpAddress | 'none' | 'default';
  /** Empty: all host addresses but the gateway's. */
  readonly allocationPools: readonly AllocationPool[];
}

const MAX_NAMESERVERS = 16;
const MAX_ROUTES = 64;

// What no station of an overlay has: this host, loopback, multicast and limited broadcast; of IPv6 what RFC 4291 reserves
// (unspecified, loopback, IPv4-mapped), link-local and multicast.
const UNUSABLE = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/4', '255.255.255.255/32', '::/8', 'fe80::/10', 'ff00::/8'].map(
  (text) => parseCidr('cidr', text),
);

/** Reads the prefix of a subnet. Throws `invalid` for what is malformed or not for stations. */
export const parseSubnetCidr = (field: string, text: string): Cidr => {
  const cidr = parseCidr(field, text);
  const other = UNUSABLE.find((unusable) => overlaps(unusable, cidr));
  if (other !== undefined)
    throw invalidField(field, text, `overlaps ${other.text}, whose addresses no station can have`);
  return cidr;
};

/** The settings that a wish comes to. Throws `invalid`, naming fields below `subnet`, for what breaks a rule. */
export const settle = (cidr: Cidr, wish: SubnetWish): SubnetSettings => {
  const gatewayIp = gatewayOf(cidr, wish);
  if (gatewayIp !== undefined) checkGateway(cidr, gatewayIp);
  checkPools('subnet.allocation_pools', cidr, wish.allocationPools);
  checkNameservers(cidr, wish.dnsNameservers);
  checkRoutes(cidr, wish.hostRoutes);
  const allocationPools = wish.allocationPools.length > 0 ? wish.allocationPools : defaultPools(cidr, gatewayIp);
  const settings = { ...wish, gatewayIp, allocationPools };
  checkGatewayApart(settings);
  return settings;
};

/** The wish that the settings of a subnet fulfil. */
export const wishOf = (settings: SubnetSettings): SubnetWish => ({
  name: settings.name,
  gatewayIp: settings.gatewayIp ?? 'none',
  allocationPools: settings.allocationPools,
  dnsNameservers: settings.dnsNameservers,
  hostRoutes: settings.hostRoutes,
  enableDhcp: settings.enableDhcp,
});

/** Throws `invalid` where the prefix cannot be used so: of IPv4, or not the 64 bits that SLAAC needs (RFC 4291 §2.5.1). */
export const checkIpv6AddressMode = (cidr: Cidr, mode: Ipv6AddressMode | undefined): void => {
  if (mode === undefined) return;
  const field = 'subnet.ipv6_address_mode';
  if (cidr.version === 4) throw invalidField(field, mode, 'does not go with an IPv4 subnet');
  if (mode !== 'dhcpv6-stateful' && cidr.prefixLength !== 64) {
    throw invalidField(field, mode, `needs a prefix of 64 bits, and ${cidr.text} is none`);
  }
};

const gatewayOf = (cidr: Cidr, { gatewayIp }: SubnetWish): IpAddress | undefined => {
  switch (gatewayIp) {
    case 'none':
      return undefined;
    case 'default':
      return firstHost(cidr);
    default:
      return gatewayIp;
  }
};

const checkGatewayApart = ({ gatewayIp, allocationPools }: SubnetSettings): void => {
  if (gatewayIp === undefined) return;
  const at = allocationPools.findIndex(
    (pool) => ipVersion(pool.start) === ipVersion(gatewayIp) && holds(pool, gatewayIp),
  );
  const pool = allocationPools[at];
  if (pool === undefined) return;
  throw invalidField(
    `subnet.allocation_pools[${at.toString()}]`,
    `${pool.start}-${pool.end}`,
    `holds the gateway, ${gatewayIp}; give pools without it`,
  );
};

const checkGateway = (cidr: Cidr, gateway: IpAddress): void => {
  // Routers of IPv6 are commonly named by their link-local address.
  if (
    isHostOf(cidr, gateway) ||
    (cidr.version === 6 && overlaps(LINK_LOCAL, parseCidr('gateway_ip', `${gateway}/128`)))
  )
    return;
  throw invalidField('subnet.gateway_ip', gateway, `is no host address of ${cidr.text}`);
};

const LINK_LOCAL = parseCidr('cidr', 'fe80::/10');

const checkNameservers = (cidr: Cidr, nameservers: readonly IpAddress[]): void => {
  const field = 'subnet.dns_nameservers';
  checkCount(field, nameservers.length, MAX_NAMESERVERS);
  for (const [at, nameserver] of nameservers.entries()) {
    const name = `${field}[${at.toString()}]`;
    if (ipVersion(nameserver) !== cidr.version) throw invalidField(name, nameserver, otherVersion(cidr));
    if (nameservers.indexOf(nameserver) !== at) throw invalidField(name, nameserver, 'is there twice');
  }
};

const checkRoutes = (cidr: Cidr, routes: readonly HostRoute[]): void => {
  const field = 'subnet.host_routes';
  checkCount(field, routes.length, MAX_ROUTES);
  for (const [at, { destination, nexthop }] of routes.entries()) {
    const name = `${field}[${at.toString()}]`;
    if (destination.version !== cidr.version)
      throw invalidField(`${name}.destination`, destination.text, otherVersion(cidr));
    if (ipVersion(nexthop) !== cidr.version) throw invalidField(`${name}.nexthop`, nexthop, otherVersion(cidr));
    if (routes.findIndex((route) => route.destination.text === destination.text) !== at) {
      throw invalidField(`${name}.destination`, destination.text, 'has a route already');
    }
  }
};

const checkCount = (field: string, count: number, most: number): void => {
  if (count > most) throw invalidField(field, `${count.toString()} items`, `is more than ${most.toString()}`);
};

const otherVersion = ({ version }: Cidr): string => `is not of IPv${version.toString()} as the subnet is`;

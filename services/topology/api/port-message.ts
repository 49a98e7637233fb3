import { invalidField } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseIp, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseHostId, parseName, parseUuid, type ResourceName, type Uuid } from '#platform/net/names.ts';
import { checkMask } from '#platform/store/request-mask.ts';
import { etagOf } from '#platform/store/etag.ts';
import type { Port as PortMessage } from '#proto/weft/topology/v1/topology.ts';
import type { AddressPair as AddressPairMessage, FixedIp as FixedIpMessage } from '#proto/weft/type/v1/network.ts';
import type { PortDraft } from '../app/create-port.ts';
import type { FixedIpWish } from '../app/ipam.ts';
import type { PortUpdate } from '../app/update-port.ts';
import { isServed } from '../domain/device-owner.ts';
import type { AddressPair, FixedIp, Port } from '../domain/port.ts';
import { optional, timestamp } from './fields.ts';
import { statusMessage } from './names.ts';

/** More addresses on one port are a network of their own. */
const MOST_ADDRESSES = 64;

export const portMessage = (port: Port): PortMessage => ({
  id: port.id,
  network_id: port.networkId,
  name: port.name,
  mac_address: port.mac,
  fixed_ips: port.fixedIps.map(fixedIpMessage),
  allowed_address_pairs: port.allowedAddressPairs.map(pairMessage),
  port_security_enabled: port.portSecurityEnabled,
  device_id: port.deviceId,
  device_owner: port.deviceOwner,
  admin_state_up: port.adminStateUp,
  binding_host_id: port.binding.hostId ?? '',
  binding_generation: port.binding.generation.toString(),
  status: statusMessage(port.status),
  status_message: port.binding.failure ?? '',
  etag: etagOf(port.revision),
  revision_number: port.revision.toString(),
  create_time: timestamp(port.createdAt),
  update_time: timestamp(port.updatedAt),
});

export const fixedIpMessage = ({ subnetId, ipAddress }: FixedIp): FixedIpMessage => ({
  subnet_id: subnetId,
  ip_address: ipAddress,
});

export const pairMessage = ({ mac, ip }: AddressPair): AddressPairMessage => ({
  mac_address: mac ?? '',
  ip_address: ip,
});

/** Throws `invalid` for the first field that is not what it should be. */
export const readPortDraft = (message: PortMessage, id: Uuid): PortDraft => {
  const mac = optional(parseMac, 'port.mac_address', message.mac_address);
  const hostId = optional(parseHostId, 'port.binding_host_id', message.binding_host_id);
  const { port_security_enabled: portSecurityEnabled } = message;
  return {
    id,
    networkId: parseUuid('port.network_id', message.network_id),
    name: parseName('port.name', message.name),
    ...(mac === undefined ? {} : { mac }),
    fixedIps: readWishes('port.fixed_ips', message.fixed_ips),
    allowedAddressPairs: readPairs(message.allowed_address_pairs),
    deviceId: parseName('port.device_id', message.device_id),
    deviceOwner: readOwner(message.device_owner),
    adminStateUp: message.admin_state_up ?? true,
    ...(portSecurityEnabled === undefined ? {} : { portSecurityEnabled }),
    ...(hostId === undefined ? {} : { hostId }),
  };
};

/** Ports of such owners are made and placed by topology itself. */
const readOwner = (text: string): ResourceName => {
  const owner = parseName('port.device_owner', text);
  if (isServed(owner))
    throw invalidField('port.device_owner', owner, 'begins with network:, which is for topology itself');
  return owner;
};

type Patch = Pick<PortUpdate, 'settings' | 'place'>;
type Setter = (message: PortMessage) => Partial<Patch>;

/** What is unset where false would be a value stays as it is. */
const SETTERS = {
  name: ({ name }) => ({ settings: { name: parseName('port.name', name) } }),
  device_id: ({ device_id: id }) => ({ settings: { deviceId: parseName('port.device_id', id) } }),
  device_owner: ({ device_owner: owner }) => ({ settings: { deviceOwner: readOwner(owner) } }),
  admin_state_up: ({ admin_state_up: up }) => (up === undefined ? {} : { settings: { adminStateUp: up } }),
  allowed_address_pairs: ({ allowed_address_pairs: pairs }) => ({
    settings: { allowedAddressPairs: readPairs(pairs) },
  }),
  port_security_enabled: ({ port_security_enabled: on }) =>
    on === undefined ? {} : { settings: { portSecurityEnabled: on } },
  binding_host_id: ({ binding_host_id: id }) => ({ place: optional(parseHostId, 'port.binding_host_id', id) ?? null }),
} as const satisfies Record<string, Setter>;

const FIELDS = Object.keys(SETTERS) as readonly (keyof typeof SETTERS)[];

/** What an update names. Throws `invalid`. */
export const readPortPatch = (message: PortMessage, mask: readonly string[]): Patch => {
  let patch: Patch = { settings: {} };
  for (const field of checkMask(mask, FIELDS, 'port')) {
    const { settings, place }: Partial<Patch> = SETTERS[field](message);
    patch = {
      ...patch,
      settings: { ...patch.settings, ...settings },
      ...(place === undefined ? {} : { place }),
    };
  }
  return patch;
};

/** Addresses asked for. Throws `invalid`. */
export const readWishes = (list: string, messages: readonly FixedIpMessage[]): readonly FixedIpWish[] => {
  checkCount(list, messages.length);
  return messages.map((message, at) => {
    const field = `${list}[${at.toString()}]`;
    const subnetId = optional(parseUuid, `${field}.subnet_id`, message.subnet_id);
    const ipAddress = optional(parseUnicastIp, `${field}.ip_address`, message.ip_address);
    return { ...(subnetId === undefined ? {} : { subnetId }), ...(ipAddress === undefined ? {} : { ipAddress }) };
  });
};

const readPairs = (messages: readonly AddressPairMessage[]): readonly AddressPair[] => {
  checkCount('port.allowed_address_pairs', messages.length);
  return messages.map((message, at) => {
    const field = `port.allowed_address_pairs[${at.toString()}]`;
    const mac = optional(parseMac, `${field}.mac_address`, message.mac_address);
    const text = message.ip_address;
    const ip = text.includes('/') ? parseCidr(`${field}.ip_address`, text).text : parseIp(`${field}.ip_address`, text);
    return { ...(mac === undefined ? {} : { mac }), ip };
  });
};

const checkCount = (field: string, count: number): void => {
  if (count > MOST_ADDRESSES) throw invalidField(field, count, `are more than ${MOST_ADDRESSES.toString()}`);
};

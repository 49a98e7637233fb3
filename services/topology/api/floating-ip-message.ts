import { invalidField } from '#platform/errors/domain-error.ts';
import { type IpAddress, ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseUuid, type Uuid } from '#platform/net/names.ts';
import { etagOf } from '#platform/store/etag.ts';
import { checkMask } from '#platform/store/request-mask.ts';
import type { FloatingIp as FloatingIpMessage } from '#proto/weft/topology/v1/topology.ts';
import type { FloatingIpDraft, FloatingIpUpdate } from '../app/floating-ips.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import { optional, timestamp } from './fields.ts';
import { statusMessage } from './names.ts';

export const floatingIpMessage = (floatingIp: FloatingIp): FloatingIpMessage => ({
  id: floatingIp.id,
  floating_network_id: floatingIp.floatingNetworkId,
  floating_ip_address: floatingIp.floatingAddress,
  port_id: floatingIp.target?.portId ?? '',
  fixed_ip_address: floatingIp.target?.address ?? '',
  router_id: floatingIp.target?.routerId ?? '',
  status: statusMessage(floatingIp.target === undefined ? 'down' : 'active'),
  etag: etagOf(floatingIp.revision),
  revision_number: floatingIp.revision.toString(),
  create_time: timestamp(floatingIp.createdAt),
  update_time: timestamp(floatingIp.updatedAt),
});

/** Throws `invalid` for the first field that is not what it should be. */
export const readFloatingIpDraft = (message: FloatingIpMessage, id: Uuid): FloatingIpDraft => {
  const floatingAddress = optional(parseIpv4, 'floating_ip.floating_ip_address', message.floating_ip_address);
  const portId = optional(parseUuid, 'floating_ip.port_id', message.port_id);
  const address = optional(parseIpv4, 'floating_ip.fixed_ip_address', message.fixed_ip_address);
  if (portId === undefined && address !== undefined) throw withoutPort(address);
  return {
    id,
    floatingNetworkId: parseUuid('floating_ip.floating_network_id', message.floating_network_id),
    ...(floatingAddress === undefined ? {} : { floatingAddress }),
    ...(portId === undefined ? {} : { target: { portId, ...(address === undefined ? {} : { address }) } }),
  };
};

/** What an update names. Throws `invalid`. */
export const readFloatingIpPatch = (
  message: FloatingIpMessage,
  mask: readonly string[],
): Pick<FloatingIpUpdate, 'portId' | 'address'> => {
  const named = checkMask(mask, ['port_id', 'fixed_ip_address'], 'floating_ip');
  const portId = optional(parseUuid, 'floating_ip.port_id', message.port_id) ?? null;
  const address = optional(parseIpv4, 'floating_ip.fixed_ip_address', message.fixed_ip_address) ?? null;
  const [movesPort, movesAddress] = [named.includes('port_id'), named.includes('fixed_ip_address')];
  if (movesPort && movesAddress && portId === null && address !== null) throw withoutPort(address);
  return { ...(movesPort ? { portId } : {}), ...(movesAddress ? { address } : {}) };
};

const parseIpv4 = (field: string, text: string): IpAddress => {
  const address = parseUnicastIp(field, text);
  if (ipVersion(address) !== 4) throw invalidField(field, text, 'is not an IPv4 address');
  return address;
};

const withoutPort = (address: IpAddress) =>
  invalidField('floating_ip.fixed_ip_address', address, 'does not go without port_id');

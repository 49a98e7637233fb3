import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseHostId, parseUuid } from '#platform/net/names.ts';
import {
  type Host as HostMessage,
  HostStatus,
  type Network as NetworkMessage,
  type Port as PortMessage,
  Status,
} from '#proto/weft/topology/v1/topology.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { Host, Network, Port } from '../domain/entry.ts';
import { parseRevision } from '../domain/revision.ts';
import { parseVtep } from '../domain/vtep.ts';

/** Reads a host of topology. Throws `invalid`. */
export const readHost = (message: HostMessage): Host => {
  const { id, vtep_address: address, udp_port, status, revision_number } = message;
  const vtep = address === '' ? undefined : parseVtep('host', id, address, udp_port);
  return {
    id: parseHostId('host.id', id),
    revision: parseRevision('host.revision_number', revision_number),
    ...(vtep !== undefined && { vtep }),
    down: status === HostStatus.HOST_STATUS_DOWN,
  };
};

/** Reads a network of topology. Throws `invalid`. */
export const readNetwork = (message: NetworkMessage): Network => ({
  id: parseUuid('network.id', message.id),
  revision: parseRevision('network.revision_number', message.revision_number),
  overlay: message.network_type === NetworkType.NETWORK_TYPE_VXLAN,
});

/** Owners of ports that serve a network: those of routers and of DHCP. */
const SERVED = 'network:';

/** Reads a port of topology. Throws `invalid`. */
export const readPort = (message: PortMessage): Port => ({
  id: parseUuid('port.id', message.id),
  networkId: parseUuid('port.network_id', message.network_id),
  revision: parseRevision('port.revision_number', message.revision_number),
  mac: parseMac('port.mac_address', message.mac_address),
  ips: message.fixed_ips.map(({ ip_address: ip }, at) =>
    parseUnicastIp(`port.fixed_ips[${at.toString()}].ip_address`, ip),
  ),
  // A bound port that is down is so because its network is.
  adminStateUp: (message.admin_state_up ?? true) && message.status !== Status.STATUS_DOWN,
  ...(message.binding_host_id !== '' && { boundTo: parseHostId('port.binding_host_id', message.binding_host_id) }),
  generation: BigInt(message.binding_generation),
  ...(message.device_owner.startsWith(SERVED) && { serving: true }),
});

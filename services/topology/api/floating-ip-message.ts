import { etagOf } from '#platform/store/etag.ts';
import type { FloatingIp as FloatingIpMessage } from '#proto/weft/topology/v1/topology.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import { timestamp } from './fields.ts';
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

import { etagOf } from '#platform/store/etag.ts';
import type { ExternalGateway as GatewayMessage, Router as RouterMessage } from '#proto/weft/topology/v1/topology.ts';
import { type Router, type RouterGateway, routerStatusOf } from '../domain/router.ts';
import { timestamp } from './fields.ts';
import { statusMessage } from './names.ts';
import { fixedIpMessage } from './port-message.ts';

export const routerMessage = (router: Router): RouterMessage => {
  const status = routerStatusOf(router);
  return {
    id: router.id,
    name: router.name,
    admin_state_up: router.adminStateUp,
    ...(router.gateway === undefined ? {} : { external_gateway: gatewayMessage(router.gateway) }),
    routes: router.routes.map(({ destination, nexthop }) => ({ destination, nexthop })),
    interfaces: router.interfaces.map(({ portId, networkId, fixedIps }) => ({
      port_id: portId,
      network_id: networkId,
      fixed_ips: fixedIps.map(fixedIpMessage),
    })),
    binding_host_id: router.placement.hostId ?? '',
    binding_generation: router.placement.generation.toString(),
    status: statusMessage(status),
    status_message: status === 'build' ? 'no live host of role network has taken it yet' : '',
    etag: etagOf(router.revision),
    revision_number: router.revision.toString(),
    create_time: timestamp(router.createdAt),
    update_time: timestamp(router.updatedAt),
  };
};

const gatewayMessage = ({ networkId, fixedIps, enableSnat, portId }: RouterGateway): GatewayMessage => ({
  network_id: networkId,
  fixed_ips: fixedIps.map(fixedIpMessage),
  enable_snat: enableSnat,
  port_id: portId,
});

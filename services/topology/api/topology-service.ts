import { type RpcService, service } from '#platform/rpc/handlers.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import type { Environment } from '../app/environment.ts';
import type { Feed } from '../app/feed.ts';
import { PortHints } from '../app/port-hints.ts';
import { hostHandlers } from './host-handlers.ts';
import { networkHandlers } from './network-handlers.ts';
import { portHandlers } from './port-handlers.ts';
import { reportHandlers } from './report-handlers.ts';
import { watchHandlers } from './watch-handler.ts';

/** weft.topology.v1.TopologyService. */
export const topologyService = (environment: Environment, feed: Feed): RpcService => {
  const hints = new PortHints();
  return service(TopologyServiceService, {
    ...hostHandlers(environment),
    ...networkHandlers(environment),
    ...portHandlers(environment, hints),
    ...reportHandlers(environment, hints),
    ...watchHandlers(environment, feed),
  });
};

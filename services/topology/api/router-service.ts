import { type RpcService, service } from '#platform/rpc/handlers.ts';
import { RouterServiceService } from '#proto/weft/topology/v1/router.ts';
import type { Environment } from '../app/environment.ts';
import { floatingIpHandlers } from './floating-ip-handlers.ts';
import { routerHandlers } from './router-handlers.ts';

/** weft.topology.v1.RouterService. */
export const routerService = (environment: Environment): RpcService =>
  service(RouterServiceService, { ...routerHandlers(environment), ...floatingIpHandlers(environment) });

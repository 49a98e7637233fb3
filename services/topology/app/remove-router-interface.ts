import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Release } from '../domain/errand.ts';
import {
  interfaceOn,
  type Router,
  type RouterPort,
  routerPorts,
  strandedRoute,
  withoutInterface,
} from '../domain/router.ts';
import type { Environment, Mutation } from './environment.ts';
import { tryFinishRelease } from './errands.ts';
import { mutate } from './mutate.ts';
import { removePort } from './remove-port.ts';
import { refuseIfFloating, routerInUse } from './router-gateway.ts';
import { Writer } from './write.ts';

/** Which interface of a router: the one on a subnet, or of a port. */
export interface InterfaceChoice {
  readonly routerId: Uuid;
  readonly subnetId?: Uuid;
  readonly portId?: Uuid;
}

/**
 * Takes an interface away, and its port. Throws `not_found` for the router, and ROUTER_INTERFACE_NOT_FOUND;
 * `precondition` ROUTER_IN_USE while a floating IP or a static route leads through it.
 */
export const removeRouterInterface = async (
  environment: Environment,
  choice: InterfaceChoice,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Router> => {
  const { store, records } = environment;
  const { routerId } = choice;
  let release: Release | undefined;
  const router = await mutate(
    store,
    mutation,
    records.routers,
    async (tx) => {
      release = undefined;
      const found = await tx.get(records.routers, routerId);
      if (found === undefined) throw notFound('router', routerId);
      const leaving = interfaceOf(found.value, choice);
      const { portId, subnets } = leaving;
      await refuseIfFloating(environment, tx, found.value, (subnetId) => subnets.some(({ id }) => id === subnetId));
      const after = withoutInterface(found.value, portId);
      const stranded = strandedRoute(after.routes, routerPorts(after));
      if (stranded !== undefined) {
        const { destination, nexthop } = stranded.route;
        throw routerInUse(routerId, `its route to ${destination} by ${nexthop} leads through it`, destination);
      }
      const port = await tx.get(records.ports, portId);
      if (port === undefined) throw notFound('port', portId);
      const writer = new Writer(environment, tx, mutation.cause);
      release = await removePort(environment, tx, writer, port);
      return writer.updateRouter(found, after);
    },
    signal,
  );
  if (release !== undefined && !mutation.validateOnly) await tryFinishRelease(environment, release, signal);
  return router;
};

const interfaceOf = (router: Router, { subnetId, portId }: InterfaceChoice): RouterPort => {
  const found =
    subnetId === undefined ? router.interfaces.find((one) => one.portId === portId) : interfaceOn(router, subnetId);
  if (found !== undefined) return found;
  const what = subnetId === undefined ? `of port ${portId ?? ''}` : `on subnet ${subnetId}`;
  throw new DomainError('not_found', 'ROUTER_INTERFACE_NOT_FOUND', `router ${router.id} has no interface ${what}`, {
    details: { router: router.id },
  });
};

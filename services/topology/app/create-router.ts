import { DomainError } from '#platform/errors/domain-error.ts';
import type { HostId, ResourceName, Uuid } from '#platform/net/names.ts';
import type { Transaction } from '#platform/store/store.ts';
import { portHolder } from '../domain/errand.ts';
import { placedOn, type Route, type Router, type RouterGateway, unplaced } from '../domain/router.ts';
import { createHeld } from './create-held.ts';
import type { Environment, Mutation } from './environment.ts';
import { mutate } from './mutate.ts';
import { relabelled } from './relabelled.ts';
import { type GatewayWish, gatewayPort, writeGateway } from './router-gateway.ts';
import { networkHost, refuseInside, refuseStrandedRoute, takePort, type TakenPort } from './router-port.ts';
import { Writer } from './write.ts';

/** A router as its creator wishes it. */
export interface RouterDraft {
  readonly id: Uuid;
  readonly name: ResourceName;
  readonly adminStateUp: boolean;
  readonly gateway?: GatewayWish;
  readonly routes: readonly Route[];
  /** Absent: topology chooses one. */
  readonly hostId?: HostId;
}

/**
 * Creates a router, with its gateway's port where it has one; see createHeld. Throws `exists` ROUTER_EXISTS, `not_found`
 * for the network or the host, `precondition`: NETWORK_NOT_EXTERNAL, HOST_WITHOUT_ROLE, what IPAM throws.
 */
export const createRouter = async (
  environment: Environment,
  draft: RouterDraft,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Router> => {
  const { store, records } = environment;
  const { id, gateway } = draft;
  const check = async (tx: Transaction): Promise<void> => {
    if ((await tx.get(records.routers, id)) !== undefined) throw exists(id);
    if (gateway !== undefined) await refuseInside(environment, tx, gateway.networkId);
  };
  const make = async (tx: Transaction, way?: (writer: Writer) => Promise<RouterGateway>): Promise<Router> => {
    await check(tx);
    const writer = new Writer(environment, tx, mutation.cause);
    if (draft.hostId !== undefined) await networkHost(environment, tx, writer, draft.hostId);
    const made = await way?.(writer);
    refuseStrandedRoute(draft.routes, made === undefined ? [] : [made]);
    const { name, adminStateUp, routes } = draft;
    const placement = placedOn(unplaced, draft.hostId);
    return writer.createRouter({
      id,
      name,
      adminStateUp,
      ...(made === undefined ? {} : { gateway: made }),
      interfaces: [],
      routes,
      placement,
    });
  };
  if (gateway === undefined) return await mutate(store, mutation, records.routers, (tx) => make(tx), signal);
  const port = gatewayPort(id, 0, gateway.networkId);
  return await createHeld<Router, TakenPort>(
    environment,
    {
      holder: portHolder(port),
      answer: records.routers,
      check,
      take: (how, turn) =>
        relabelled('port', 'router.external_gateway', () => takePort(environment, port, gateway.fixedIps, how, turn)),
      make: (tx, taken) =>
        make(tx, (writer) =>
          writeGateway(environment, tx, writer, { port, taken, enableSnat: gateway.enableSnat }, draft.hostId),
        ),
    },
    mutation,
    signal,
  );
};

const exists = (id: Uuid): DomainError =>
  new DomainError('exists', 'ROUTER_EXISTS', `router ${id} exists already`, { details: { router: id } });

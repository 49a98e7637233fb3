import { isDeepStrictEqual } from 'node:util';
import { DomainError, invalidField, notFound } from '#platform/errors/domain-error.ts';
import type { HostId, ResourceName, Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import { portHolder, type Release } from '../domain/errand.ts';
import { type Route, type Router, type RouterGateway, routerPorts } from '../domain/router.ts';
import { createHeld } from './create-held.ts';
import type { Environment, Mutation } from './environment.ts';
import { tryFinishRelease } from './errands.ts';
import { checkResourceEtag, mutate } from './mutate.ts';
import { placeRouter } from './place-router.ts';
import { relabelled } from './relabelled.ts';
import {
  type GatewayWish,
  gatewayPort,
  needsPort,
  refuseIfFloating,
  removeGateway,
  writeGateway,
} from './router-gateway.ts';
import {
  networkHost,
  refuseInside,
  refuseOverlap,
  refuseStrandedRoute,
  takePort,
  type TakenPort,
} from './router-port.ts';
import { Writer } from './write.ts';

/** What is to change of a router. */
export interface RouterUpdate {
  readonly id: Uuid;
  readonly etag: string;
  readonly name?: ResourceName;
  readonly adminStateUp?: boolean;
  /** Null: none. */
  readonly gateway?: GatewayWish | null;
  readonly routes?: readonly Route[];
  /** Where it is to be served. */
  readonly hostId?: HostId;
}

/** More changes of one router than can come between reading it and changing it. */
const ATTEMPTS = 5;
const CHANGED = 'CHANGED_MEANWHILE';

/**
 * Changes a router; a new gateway gets a port of its own and the old one's goes, in one commit. Throws `not_found`,
 * `conflict` ETAG_MISMATCH, `precondition`: ROUTER_IN_USE for a gateway that floating IPs need, NETWORK_NOT_EXTERNAL,
 * SUBNETS_OVERLAP, HOST_WITHOUT_ROLE; what IPAM throws.
 */
export const updateRouter = async (
  environment: Environment,
  update: RouterUpdate,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Router> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryUpdate(environment, update, mutation, signal);
    } catch (error) {
      if (!(error instanceof DomainError && error.reason === CHANGED) || attempt === ATTEMPTS) throw error;
    }
  }
};

const tryUpdate = async (
  environment: Environment,
  update: RouterUpdate,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Router> => {
  const { store, records } = environment;
  const { id, gateway } = update;
  const seen = await store.get(records.routers, id, signal);
  const { change, releases } = changing(environment, update, mutation);
  const router =
    seen !== undefined && gateway !== undefined && gateway !== null && needsPort(seen.value.gateway, gateway)
      ? await withNewGateway(environment, { seen: seen.value, gateway, change }, mutation, signal)
      : await mutate(store, mutation, records.routers, (tx) => change(tx, undefined), signal);
  if (!mutation.validateOnly)
    await Promise.all(releases().map((release) => tryFinishRelease(environment, release, signal)));
  return router;
};

type Change = (tx: Transaction, way: NewWay | undefined) => Promise<Router>;
type NewWay = (writer: Writer, hostId: HostId | undefined) => Promise<RouterGateway>;

const withNewGateway = async (
  environment: Environment,
  { seen, gateway, change }: { readonly seen: Router; readonly gateway: GatewayWish; readonly change: Change },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Router> => {
  const { records } = environment;
  const port = gatewayPort(seen.id, seen.revision, gateway.networkId);
  const check = async (tx: Transaction): Promise<void> => {
    const router = await tx.get(records.routers, seen.id);
    if (router?.value.revision !== seen.revision) throw changedMeanwhile(seen.id);
    await refuseInside(environment, tx, gateway.networkId);
  };
  return await createHeld<Router, TakenPort>(
    environment,
    {
      holder: portHolder(port),
      answer: records.routers,
      check,
      take: (how, turn) =>
        relabelled('port', 'router.external_gateway', () => takePort(environment, port, gateway.fixedIps, how, turn)),
      make: async (tx, taken) => {
        await check(tx);
        return await change(tx, (writer, hostId) =>
          writeGateway(environment, tx, writer, { port, taken, enableSnat: gateway.enableSnat }, hostId),
        );
      },
    },
    mutation,
    signal,
  );
};

/** How a router is changed in a commit, and what is left to do after it. */
const changing = (
  environment: Environment,
  update: RouterUpdate,
  mutation: Mutation,
): { readonly change: Change; readonly releases: () => readonly Release[] } => {
  let releases: readonly Release[] = [];
  const change: Change = async (tx, way) => {
    releases = [];
    const found = await tx.get(environment.records.routers, update.id);
    if (found === undefined) throw notFound('router', update.id);
    checkResourceEtag(update.etag, found.value);
    const writer = new Writer(environment, tx, mutation.cause);
    const before = found.value;
    const adminStateUp = update.adminStateUp ?? before.adminStateUp;
    const hostId = await hostOf(environment, tx, writer, { before, update, adminStateUp });
    const gateway = await gatewayAfter(environment, tx, writer, { before: found, update, way, hostId });
    if (before.gateway !== undefined && before.gateway.portId !== gateway?.portId) {
      releases = [await removeGateway(environment, tx, writer, before.gateway)];
    }
    const { gateway: _before, ...rest } = before;
    const after: Router = {
      ...rest,
      name: update.name ?? before.name,
      adminStateUp,
      ...(gateway === undefined ? {} : { gateway }),
      routes: update.routes ?? before.routes,
    };
    if (update.routes !== undefined || releases.length > 0) refuseStrandedRoute(after.routes, routerPorts(after));
    if (isDeepStrictEqual(after, before) && hostId === before.placement.hostId) return before;
    const fresh = way === undefined || gateway === undefined ? [] : [gateway.portId];
    return await placeRouter(environment, tx, writer, found, after, hostId, fresh);
  };
  return { change, releases: () => releases };
};

interface Changing {
  readonly before: Router;
  readonly update: RouterUpdate;
  readonly adminStateUp: boolean;
}

const hostOf = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  { before, update, adminStateUp }: Changing,
): Promise<HostId | undefined> => {
  if (!adminStateUp) {
    if (update.hostId === undefined) return undefined;
    throw invalidField('router.binding_host_id', update.hostId, 'does not go with admin_state_up false');
  }
  if (update.hostId === undefined || update.hostId === before.placement.hostId) return before.placement.hostId;
  await networkHost(environment, tx, writer, update.hostId);
  return update.hostId;
};

const gatewayAfter = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  {
    before: { value: before },
    update: { gateway: wish },
    way,
    hostId,
  }: {
    readonly before: Versioned<Router>;
    readonly update: RouterUpdate;
    readonly way: NewWay | undefined;
    readonly hostId: HostId | undefined;
  },
): Promise<RouterGateway | undefined> => {
  if (wish === undefined) return before.gateway;
  if (before.gateway !== undefined && before.gateway.networkId !== wish?.networkId) {
    await refuseIfFloating(environment, tx, before);
  }
  if (wish === null) return undefined;
  if (way !== undefined) {
    const gateway = await way(writer, hostId);
    refuseOverlap(before.interfaces, gateway.subnets);
    return gateway;
  }
  // It had this gateway when it was looked at.
  if (before.gateway === undefined || needsPort(before.gateway, wish)) throw changedMeanwhile(before.id);
  return { ...before.gateway, enableSnat: wish.enableSnat };
};

const changedMeanwhile = (id: Uuid): DomainError =>
  new DomainError('conflict', CHANGED, `router ${id} changed while it was being changed`, { details: { router: id } });

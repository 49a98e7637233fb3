import { inSpan } from '#platform/telemetry/spans.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Host } from '../domain/host.ts';
import { type Router, routerPorts } from '../domain/router.ts';
import { Loads, reaches, serves } from '../domain/serving.ts';
import { atOnce } from './at-once.ts';
import type { Environment } from './environment.ts';
import { getAll, listAll } from './list-all.ts';
import { placeRouter } from './place-router.ts';
import { placements, tryToPlace } from './try-to-place.ts';
import { usableHost } from './usable.ts';
import { Writer } from './write.ts';

const CAUSE = 'PlaceRouter';

interface Move {
  readonly id: Uuid;
  readonly from: HostId | undefined;
  readonly to: HostId;
}

/**
 * Sees to it that each router that is up is on a host that is alive and is reached by all the router's networks, if there
 * is one. As placeDhcp otherwise.
 */
export const placeRouters = async (
  environment: Environment,
  hosts: readonly Host[],
  signal: AbortSignal,
): Promise<void> => {
  const { store, records, clock } = environment;
  const routers = await listAll(store, records.routers, undefined, signal);
  const serving = hosts.filter((host) => serves(host, clock.now()));
  const ids = new Set(routers.flatMap((router) => routerPorts(router).map(({ networkId }) => networkId)));
  const networks = new Map((await getAll(store, records.networks, [...ids], signal)).map((one) => [one.id, one]));
  const loads = new Loads();
  for (const { placement } of routers) loads.add(placement.hostId);
  const moves = routers.flatMap((router): readonly Move[] => {
    const { id, placement } = router;
    if (!router.adminStateUp) return [];
    const of = routerPorts(router).flatMap(({ networkId }) => networks.get(networkId) ?? []);
    const able = serving.filter((host) => of.every((network) => reaches(host, network))).map((host) => host.id);
    if (placement.hostId !== undefined && able.includes(placement.hostId)) return [];
    const to = loads.least(able);
    loads.add(to);
    return to === undefined ? [] : [{ id, from: placement.hostId, to }];
  });
  await atOnce(moves, (move) =>
    inSpan('place router', { attributes: { 'weft.router.id': move.id } }, () =>
      tryToPlace(environment, { router: move.id }, () => moveRouter(environment, move, signal), signal),
    ),
  );
};

const moveRouter = async (environment: Environment, { id, from, to }: Move, signal: AbortSignal): Promise<void> => {
  const { store, records, clock, log } = environment;
  const moved = await store.transact(async (tx) => {
    const router = await tx.get(records.routers, id);
    if (!isAsSeen(router?.value, from)) return false;
    const writer = new Writer(environment, tx, CAUSE);
    const host = await usableHost(environment, tx, writer, to);
    if (router === undefined || !serves(host.value, clock.now())) return false;
    await placeRouter(environment, tx, writer, router, router.value, to);
    return true;
  }, signal);
  if (!moved) return;
  placements.add(1, { kind: 'router', why: from === undefined ? 'new' : 'moved' });
  if (from === undefined) log.info({ router: id, host: to }, 'a router is served');
  else log.warn({ router: id, from, to }, 'a router moves');
};

const isAsSeen = (router: Router | undefined, from: HostId | undefined): boolean =>
  router?.adminStateUp === true && router.placement.hostId === from;

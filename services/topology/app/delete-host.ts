import { DomainError } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Host } from '../domain/host.ts';
import { withoutHost } from '../domain/binding.ts';
import { deleteMarked } from './deletion.ts';
import type { Environment, Mutation } from './environment.ts';
import { placeRouter } from './place-router.ts';
import { portIndex, reservationOf, routerIndex } from './records.ts';
import { rebind } from './rebind.ts';
import { unreserve } from './reserve.ts';
import { Writer } from './write.ts';

const BATCH = 64;

/**
 * Deletes a host and what it claimed. Throws `precondition` HOST_IN_USE while ports are bound to it or it
 * serves routers, unless `force`, which unbinds them (or gives them to the newest other host that reports their device); see deleteMarked for the rest.
 */
export const deleteHost = async (
  environment: Environment,
  wanted: { readonly id: HostId; readonly etag: string; readonly force: boolean },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records } = environment;
  // Ids of this collection are ids of ports.
  const portsBy = async (index: string, limit: number): Promise<readonly Uuid[]> =>
    (await store.transact((tx) => tx.idsBy(records.ports, index, limit), signal)) as readonly Uuid[];
  const routersOn = async (limit: number): Promise<readonly string[]> =>
    await store.transact((tx) => tx.idsBy(records.routers, routerIndex.on(wanted.id), limit), signal);
  const refuseIfUsed = async (): Promise<void> => {
    if (wanted.force) return;
    const [ports, routers] = await Promise.all([portsBy(portIndex.boundTo(wanted.id), 1), routersOn(1)]);
    if (ports.length + routers.length === 0) return;
    const used = ports.length > 0 ? 'ports are bound to' : 'routers are served by';
    throw new DomainError('precondition', 'HOST_IN_USE', `${used} host ${wanted.id}`, { details: { host: wanted.id } });
  };
  const unplaceRouter = async (id: string): Promise<void> => {
    await store.transact(async (tx) => {
      const router = await tx.get(records.routers, id);
      if (router?.value.placement.hostId !== wanted.id) return;
      await placeRouter(environment, tx, new Writer(environment, tx, mutation.cause), router, router.value, undefined);
    }, signal);
  };
  const clear = async (): Promise<void> => {
    for (let ids = await routersOn(BATCH); ids.length > 0; ids = await routersOn(BATCH)) {
      await Promise.all(ids.map(unplaceRouter));
    }
    for (const index of [portIndex.boundTo(wanted.id), portIndex.claimedBy(wanted.id)]) {
      for (let ids = await portsBy(index, BATCH); ids.length > 0; ids = await portsBy(index, BATCH)) {
        await Promise.all(
          ids.map((id) =>
            rebind(environment, id, (binding) => withoutHost(binding, wanted.id), mutation.cause, signal),
          ),
        );
      }
    }
  };
  await deleteMarked<Host>(
    environment,
    {
      kind: 'host',
      from: records.hosts,
      refuseIfUsed,
      clear,
      remove: async (tx, host) => {
        const lease = await tx.get(records.leases, wanted.id);
        if (lease !== undefined) tx.delete(records.leases, wanted.id, lease.version);
        await unreserve(environment, tx, reservationOf.vtep(host.value.vtepAddress), wanted.id);
        new Writer(environment, tx, mutation.cause).deleteHost(host);
        return undefined;
      },
    },
    wanted,
    mutation,
    signal,
  );
};

import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import { holderKey, type Release } from '../domain/errand.ts';
import type { Network } from '../domain/network.ts';
import { annotate } from './annotate.ts';
import { deleteMarked } from './deletion.ts';
import type { Environment, Mutation } from './environment.ts';
import { newRelease, tryFinishRelease } from './errands.ts';
import { portIndex, reservationOf } from './records.ts';
import { unreserve } from './reserve.ts';
import { Writer } from './write.ts';

/** Deletes a network. Throws `precondition` NETWORK_IN_USE while it has ports or subnets; see deleteMarked for the rest. */
export const deleteNetwork = async (
  environment: Environment,
  wanted: { readonly id: Uuid; readonly etag: string },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records, ipam } = environment;
  const { id } = wanted;
  annotate({ network: id });
  const release = await deleteMarked<Network, Release | undefined>(
    environment,
    {
      kind: 'network',
      from: records.networks,
      refuseIfUsed: async (turn) => {
        const [ports, subnets] = await Promise.all([
          store.transact((tx) => tx.idsBy(records.ports, portIndex.ofNetwork(id), 1), turn),
          ipam.hasSubnets(id, turn),
        ]);
        if (ports.length > 0) throw inUse(id, 'ports');
        if (subnets) throw inUse(id, 'subnets');
      },
      remove: async (tx, network) => {
        const { type, physicalNetwork } = network.value;
        new Writer(environment, tx, mutation.cause).deleteNetwork(network);
        if (type === 'flat') {
          await unreserve(environment, tx, reservationOf.flat(physicalNetwork), id);
          return undefined;
        }
        const begun = newRelease(environment, { kind: 'network', id });
        const key = holderKey(begun.holder);
        const errand = await tx.get(records.errands, key);
        tx.put(records.errands, key, begun, errand?.version ?? 'absent');
        return begun;
      },
    },
    wanted,
    mutation,
    signal,
  );
  if (release !== undefined) await tryFinishRelease(environment, release, signal);
};

const inUse = (id: Uuid, by: string): DomainError =>
  new DomainError('precondition', 'NETWORK_IN_USE', `network ${id} has ${by}`, { details: { network: id, by } });

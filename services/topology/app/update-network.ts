import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Transaction } from '#platform/store/store.ts';
import { carrier } from '#platform/telemetry/spans.ts';
import { restatementKey } from '../domain/errand.ts';
import type { Network, NetworkSettings } from '../domain/network.ts';
import { unmarked } from '../domain/lifetime.ts';
import { annotate } from './annotate.ts';
import type { Environment, Mutation } from './environment.ts';
import { checkResourceEtag, mutate } from './mutate.ts';
import { floatingIpIndex, routerIndex } from './records.ts';
import { Writer } from './write.ts';

/**
 * Changes a network. Its ports get the status that a changed administrative state gives them right after, by the loop of
 * errands. Throws `not_found`, `conflict` ETAG_MISMATCH, `precondition` NETWORK_IN_USE for one that ceases to be external
 * though routers have their gateway on it, or floating IPs their address.
 */
export const updateNetwork = async (
  environment: Environment,
  { id, etag, settings }: { readonly id: Uuid; readonly etag: string; readonly settings: Partial<NetworkSettings> },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Network> => {
  const { store, records, clock } = environment;
  annotate({ network: id });
  const key = restatementKey(id);
  const network = await mutate(
    store,
    mutation,
    records.networks,
    async (tx) => {
      const [found, errand] = await Promise.all([tx.get(records.networks, id), tx.get(records.errands, key)]);
      if (found === undefined) throw notFound('network', id);
      checkResourceEtag(etag, found.value);
      const before = unmarked(found.value);
      const after = { ...before, ...settings };
      if (isDeepStrictEqual(after, before)) return before;
      if (before.external && !after.external) await refuseIfOutside(environment, tx, id);
      if (after.adminStateUp !== before.adminStateUp) {
        const restatement = {
          kind: 'restate',
          networkId: id,
          token: randomUUID(),
          at: clock.now(),
          trace: carrier(),
        } as const;
        tx.put(records.errands, key, restatement, errand?.version ?? 'absent');
      }
      return new Writer(environment, tx, mutation.cause).updateNetwork(found, after);
    },
    signal,
  );
  environment.errandBegun();
  return network;
};

/** Who gets a gateway or an address of the network writes its record, so that this stays true until the commit. */
const refuseIfOutside = async ({ records }: Environment, tx: Transaction, id: Uuid): Promise<void> => {
  const [routers, floatingIps] = await Promise.all([
    tx.idsBy(records.routers, routerIndex.outside(id), 1),
    tx.idsBy(records.floatingIps, floatingIpIndex.ofNetwork(id), 1),
  ]);
  const by = routers.length > 0 ? 'gateways of routers' : floatingIps.length > 0 ? 'floating IPs' : undefined;
  if (by === undefined) return;
  throw new DomainError('precondition', 'NETWORK_IN_USE', `network ${id} has ${by}: it has to stay external`, {
    details: { network: id, by },
  });
};

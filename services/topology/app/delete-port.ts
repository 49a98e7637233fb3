import { notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import { holderKey, portHolder, type Release } from '../domain/errand.ts';
import { annotate } from './annotate.ts';
import type { Environment, Mutation } from './environment.ts';
import { newRelease, tryFinishRelease } from './errands.ts';
import { checkResourceEtag, mutate, nothing } from './mutate.ts';
import { Writer } from './write.ts';

/**
 * Deletes a port, bound or not; its host takes it down when it hears of it. What IPAM holds for it is given back at once,
 * or, when IPAM is away, as soon as it is there. Throws `not_found`, `conflict` ETAG_MISMATCH.
 */
export const deletePort = async (
  environment: Environment,
  { id, etag }: { readonly id: Uuid; readonly etag: string },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records } = environment;
  annotate({ port: id });
  const release = await mutate<Release | undefined>(
    store,
    mutation,
    nothing,
    async (tx) => {
      const port = await tx.get(records.ports, id);
      if (port === undefined) throw notFound('port', id);
      checkResourceEtag(etag, port.value);
      const begun = newRelease(environment, portHolder(port.value));
      const key = holderKey(begun.holder);
      const [errand] = await Promise.all([
        tx.get(records.errands, key),
        new Writer(environment, tx, mutation.cause).deletePort(port),
      ]);
      tx.put(records.errands, key, begun, errand?.version ?? 'absent');
      return begun;
    },
    signal,
  );
  if (release !== undefined && !mutation.validateOnly) await tryFinishRelease(environment, release, signal);
};

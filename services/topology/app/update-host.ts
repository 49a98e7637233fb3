import { isDeepStrictEqual } from 'node:util';
import { notFound } from '#platform/errors/domain-error.ts';
import type { HostId, Labels } from '#platform/net/names.ts';
import type { Environment, Mutation } from './environment.ts';
import { checkResourceEtag, mutate } from './mutate.ts';
import type { HostView } from './register-host.ts';
import { Writer } from './write.ts';

/** Changes a host's labels. Throws `not_found`, `conflict` ETAG_MISMATCH. */
export const updateHost = async (
  environment: Environment,
  wanted: { readonly id: HostId; readonly etag: string; readonly labels?: Labels },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<HostView> => {
  const { store, records } = environment;
  return await mutate(
    store,
    mutation,
    viewed(records.hosts),
    async (tx) => {
      const [host, lease] = await Promise.all([tx.get(records.hosts, wanted.id), tx.get(records.leases, wanted.id)]);
      if (host === undefined) throw notFound('host', wanted.id);
      checkResourceEtag(wanted.etag, host.value);
      const { labels = host.value.labels } = wanted;
      const until = lease?.value.expiresAt;
      if (isDeepStrictEqual(labels, host.value.labels)) return { host: host.value, lease: until };
      const writer = new Writer(environment, tx, mutation.cause);
      return { host: writer.updateHost(host, { ...host.value, labels }, until), lease: until };
    },
    signal,
  );
};

/** A lease of then means nothing when the answer is given again. */
const viewed = (hosts: Environment['records']['hosts']) => ({
  encode: ({ host }: HostView) => hosts.encode(host),
  decode: (text: string): HostView => ({ host: hosts.decode(text), lease: undefined }),
});

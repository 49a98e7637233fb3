import { notFound } from '#platform/errors/domain-error.ts';
import type { HostId } from '#platform/net/names.ts';
import type { Environment } from './environment.ts';
import { Writer } from './write.ts';

/**
 * Keeps a host alive for `leaseMs` from now; returns until when (milliseconds since 1970). One small record changes,
 * nobody is told, unless the host was down. Throws `not_found` when it has to register first.
 */
export const renewHostLease = async (
  environment: Environment,
  id: HostId,
  leaseMs: number,
  signal: AbortSignal,
): Promise<number> => {
  const { store, records, clock } = environment;
  return await store.transact(async (tx) => {
    const [host, lease] = await Promise.all([tx.get(records.hosts, id), tx.get(records.leases, id)]);
    if (host === undefined) throw notFound('host', id);
    const expiresAt = clock.now() + leaseMs;
    tx.put(records.leases, id, { id, expiresAt, durationMs: leaseMs }, lease?.version ?? 'absent');
    if (!host.value.alive) {
      new Writer(environment, tx, 'RenewHostLease').updateHost(host, { ...host.value, alive: true }, expiresAt);
    }
    return expiresAt;
  }, signal);
};

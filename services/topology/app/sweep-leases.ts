import type { HostId } from '#platform/net/names.ts';
import { hasEnded } from '../domain/host.ts';
import type { Environment } from './environment.ts';
import { Writer } from './write.ts';

const PAGE = 500;

/**
 * Marks hosts down whose lease has ended while they were listened to; their ports stay bound. Any number of replicas may sweep at once: the lease is
 * read again in the commit that takes it away, so a renewal just in time wins.
 */
export const sweepLeases = async (
  environment: Environment,
  servingSince: number,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records, clock } = environment;
  let after: string | undefined;
  do {
    const page = await store.list(records.leases, { ...(after === undefined ? {} : { after }), limit: PAGE }, signal);
    const ended = page.items.filter(({ value }) => hasEnded(value, clock.now(), servingSince));
    for (const { value } of ended) await endLease(environment, value.id, servingSince, signal);
    after = page.next;
  } while (after !== undefined);
};

const endLease = async (
  environment: Environment,
  id: HostId,
  servingSince: number,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records, clock, log } = environment;
  const went = await store.transact(async (tx) => {
    const [host, lease] = await Promise.all([tx.get(records.hosts, id), tx.get(records.leases, id)]);
    if (lease === undefined || !hasEnded(lease.value, clock.now(), servingSince)) return false;
    tx.delete(records.leases, id, lease.version);
    if (host?.value.alive !== true) return false;
    new Writer(environment, tx, 'HostLeaseSweep').updateHost(host, { ...host.value, alive: false }, undefined);
    return true;
  }, signal);
  if (went) log.warn({ host: id }, 'host is down: its lease has ended');
};

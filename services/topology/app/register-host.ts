import type { Transaction } from '#platform/store/store.ts';
import { type Host, type HostSpec, registered } from '../domain/host.ts';
import { isBeingDeleted } from '../domain/lifetime.ts';
import { annotate } from './annotate.ts';
import type { Environment } from './environment.ts';
import { reservationOf } from './records.ts';
import { reserve, unreserve } from './reserve.ts';
import { beingDeleted } from './usable.ts';
import { Writer } from './write.ts';

/** A host, and until when it counts as alive (milliseconds since 1970; absent: it does not). */
export interface HostView {
  readonly host: Host;
  readonly lease: number | undefined;
}

/**
 * Makes a host known as its agent describes it, or brings what is known up to date, and starts its lease. Saying the same
 * again renews the lease and nothing else. Throws `exists` VTEP_IN_USE.
 */
export const registerHost = async (
  environment: Environment,
  spec: HostSpec,
  leaseMs: number,
  signal: AbortSignal,
): Promise<HostView> => {
  const { store, records, clock } = environment;
  annotate({ host: spec.id });
  return await store.transact(async (tx) => {
    const [known, lease] = await Promise.all([
      tx.get(records.hosts, spec.id),
      tx.get(records.leases, spec.id),
      tx.get(records.reservations, reservationOf.vtep(spec.vtepAddress)),
    ]);
    const expiresAt = clock.now() + leaseMs;
    tx.put(records.leases, spec.id, { id: spec.id, expiresAt, durationMs: leaseMs }, lease?.version ?? 'absent');
    const writer = new Writer(environment, tx, 'RegisterHost');
    if (known === undefined) {
      await reserveVtep(environment, tx, spec);
      return { host: writer.createHost({ ...spec, alive: true }, expiresAt), lease: expiresAt };
    }
    if (isBeingDeleted(known.value, clock.now())) throw beingDeleted('host', spec.id);
    const after = registered(known.value, spec);
    if (after === known.value) return { host: known.value, lease: expiresAt };
    if (after.vtepAddress !== known.value.vtepAddress) {
      await reserveVtep(environment, tx, spec);
      await unreserve(environment, tx, reservationOf.vtep(known.value.vtepAddress), spec.id);
    }
    return { host: writer.updateHost(known, after, expiresAt), lease: expiresAt };
  }, signal);
};

/** Two hosts at one VTEP address would swallow each other's frames. */
export const reserveVtep = async (environment: Environment, tx: Transaction, spec: HostSpec): Promise<void> => {
  await reserve(environment, tx, reservationOf.vtep(spec.vtepAddress), spec.id, {
    reason: 'VTEP_IN_USE',
    message: (holder) => `VTEP address ${spec.vtepAddress} is that of host ${holder}`,
  });
};

import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { withDeadline } from '#platform/async/deadline.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Transaction } from '#platform/store/store.ts';
import { carrier } from '#platform/telemetry/spans.ts';
import { type Holder, holderKey, isIdle, type Release, TURN_MS } from '../domain/errand.ts';
import type { Environment } from './environment.ts';

/** A release as it begins: who writes it is at it. */
export const newRelease = ({ clock }: Environment, holder: Holder): Release => ({
  kind: 'release',
  holder,
  token: randomUUID(),
  at: clock.now(),
  trace: carrier(),
});

/**
 * Gives back what IPAM holds in this name and forgets the errand. Safe to repeat; whoever calls it has the release's turn
 * (wrote `at` last), so that no two give back at once: the slower one might take away what a next life of the same id has
 * got by then. Throws what IPAM throws, `deadline` when the turn is over.
 */
export const finishRelease = async (environment: Environment, release: Release, signal: AbortSignal): Promise<void> => {
  const { store, records, ipam } = environment;
  const { holder } = release;
  await withDeadline(TURN_MS, signal, async (turn) => {
    if (holder.kind === 'port') await ipam.releasePort(holder, turn);
    else await ipam.releaseSegment(holder.id, turn);
    await store.transact(async (tx) => {
      const errand = await tx.get(records.errands, holderKey(holder));
      if (errand?.value.token === release.token) tx.delete(records.errands, holderKey(holder), errand.version);
    }, turn);
  });
};

/** As {@link finishRelease}, for a call that has done its part: what fails is left to the loop of errands. */
export const tryFinishRelease = async (
  environment: Environment,
  release: Release,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await finishRelease(environment, release, signal);
  } catch (error) {
    environment.log.info({ err: error, holder: holderKey(release.holder) }, 'what IPAM holds is given back later');
  }
};

/** Takes over the release of this name, or the creation that nobody is at; undefined when somebody is, or there is none. */
export const takeOver = async (
  environment: Environment,
  key: string,
  signal: AbortSignal,
): Promise<Release | undefined> => {
  const { store, records, clock } = environment;
  return await store.transact(async (tx) => {
    const errand = await tx.get(records.errands, key);
    if (errand === undefined || errand.value.kind === 'restate' || !isIdle(errand.value, clock.now())) return undefined;
    const release = { ...newRelease(environment, errand.value.holder), trace: errand.value.trace };
    tx.put(records.errands, key, release, errand.version);
    return release;
  }, signal);
};

/** Turns a creation that failed for good into the release of what it had got; undefined when it is no longer that one. */
export const giveUp = async (
  environment: Environment,
  holder: Holder,
  token: string,
  signal: AbortSignal,
): Promise<Release | undefined> => {
  const { store, records } = environment;
  return await store.transact(async (tx) => {
    const errand = await tx.get(records.errands, holderKey(holder));
    if (errand?.value.kind !== 'create' || errand.value.token !== token) return undefined;
    const release = newRelease(environment, holder);
    tx.put(records.errands, holderKey(holder), release, errand.version);
    return release;
  }, signal);
};

/** Begins a creation, or joins one of the same id (the same request, sent again), in the caller's commit. */
export const beginCreation = async (
  { records, clock }: Environment,
  tx: Transaction,
  holder: Holder,
): Promise<string> => {
  const key = holderKey(holder);
  const errand = await tx.get(records.errands, key);
  const now = clock.now();
  if (errand === undefined) {
    const token = randomUUID();
    tx.put(records.errands, key, { kind: 'create', holder, token, at: now, trace: carrier() }, 'absent');
    return token;
  }
  if (errand.value.kind !== 'create') throw stillReleasing(holder);
  if (!isDeepStrictEqual(errand.value.holder, holder)) throw createdElsewhere(holder);
  tx.put(records.errands, key, { ...errand.value, at: now }, errand.version);
  return errand.value.token;
};

/** Why a creation cannot end: its errand is not there any more. */
export const CREATION_UNDONE = 'CREATION_UNDONE';

/** Ends a creation in the commit that makes the resource. Throws `conflict` when it took so long that it was undone. */
export const endCreation = async (
  { records }: Environment,
  tx: Transaction,
  holder: Holder,
  token: string,
): Promise<void> => {
  const key = holderKey(holder);
  const errand = await tx.get(records.errands, key);
  if (errand?.value.kind !== 'create' || errand.value.token !== token) {
    throw new DomainError('conflict', CREATION_UNDONE, `creating ${holder.kind} ${holder.id} was undone meanwhile`, {
      details: { [holder.kind]: holder.id },
    });
  }
  tx.delete(records.errands, key, errand.version);
};

const stillReleasing = ({ kind, id }: Holder): DomainError =>
  new DomainError(
    'conflict',
    'STILL_RELEASING',
    `what a former ${kind} ${id} had of IPAM is still being given back; try again in a moment`,
    { details: { [kind]: id } },
  );

const createdElsewhere = ({ kind, id }: Holder): DomainError =>
  new DomainError('conflict', 'BEING_CREATED', `${kind} ${id} is just being created in another network`, {
    details: { [kind]: id },
  });

import { randomUUID } from 'node:crypto';
import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { Collection, Transaction, Versioned } from '#platform/store/store.ts';
import { DELETION_MS, isBeingDeleted, type Lifetime, type Markable, unmarked } from '../domain/lifetime.ts';
import { answeredBefore, checkResourceEtag, mutate, nothing, unlessAnswered, withoutWrites } from './mutate.ts';
import type { Environment, Mutation } from './environment.ts';
import { beingDeleted } from './usable.ts';

type Deletable = Lifetime & Markable & { readonly id: string };

/** How something is deleted that others may be using. */
export interface DeletionPlan<T extends Deletable, Rest> {
  readonly kind: 'host' | 'network';
  readonly from: Collection<T>;
  /** Throws `precondition` while it is in use. Asked before the mark is set and again under it, when its answer lasts. */
  readonly refuseIfUsed: (signal: AbortSignal) => Promise<void>;
  /** Takes away what would still point to it. Under the mark. */
  readonly clear?: (signal: AbortSignal) => Promise<void>;
  /** Removes it, in the last commit; returns what is left to do after it. */
  readonly remove: (tx: Transaction, resource: Versioned<T>) => Promise<Rest>;
}

/**
 * Deletes in two steps, since what uses it is found by an index, which no commit guards: first a mark under which nothing
 * new can come to use it, then, once nothing does, the removal. A crash in between leaves a mark that is void after a
 * while. Throws `not_found`; `conflict`: ETAG_MISMATCH, or when it changed or is being deleted by another; what
 * `refuseIfUsed` throws. Returns what `remove` says; undefined when nothing was removed by this call.
 */
export const deleteMarked = async <T extends Deletable, Rest = undefined>(
  environment: Environment,
  plan: DeletionPlan<T, Rest>,
  wanted: Wanted,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Rest | undefined> => {
  const once = () => attempt(environment, plan, wanted, mutation, signal);
  return await unlessAnswered<Rest | undefined>(environment.store, mutation, nothing, once, signal);
};

interface Wanted {
  readonly id: string;
  readonly etag: string;
}

const attempt = async <T extends Deletable, Rest>(
  environment: Environment,
  plan: DeletionPlan<T, Rest>,
  wanted: Wanted,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Rest | undefined> => {
  const { store } = environment;
  const token = randomUUID();
  const look = async (tx: Transaction): Promise<Versioned<T> | undefined> => {
    if (!mutation.validateOnly && (await answeredBefore(tx, mutation.request, nothing)) !== undefined) return undefined;
    const found = await tx.get(plan.from, wanted.id);
    if (found === undefined) throw notFound(plan.kind, wanted.id);
    checkResourceEtag(wanted.etag, found.value);
    if (isBeingDeleted(found.value, environment.clock.now())) throw beingDeleted(plan.kind, wanted.id);
    return found;
  };
  // Looked at without a mark first: a refused deletion should not disturb those who use it.
  if ((await store.transact((tx) => look(withoutWrites(tx)), signal)) === undefined) return undefined;
  await plan.refuseIfUsed(signal);
  if (mutation.validateOnly) return undefined;
  const marked = await store.transact(async (tx) => {
    const found = await look(tx);
    if (found === undefined) return false;
    const deletion = { token, until: environment.clock.now() + DELETION_MS };
    tx.put(plan.from, wanted.id, { ...found.value, deletion }, found.version);
    return true;
  }, signal);
  if (!marked) return undefined;
  try {
    await plan.refuseIfUsed(signal);
    await plan.clear?.(signal);
    return await mutate<Rest | undefined>(
      store,
      mutation,
      nothing,
      (tx) => removeMarked(tx, plan, wanted.id, token),
      signal,
    );
  } catch (error) {
    await lift(environment, plan.from, wanted.id, token);
    throw error;
  }
};

const removeMarked = async <T extends Deletable, Rest>(
  tx: Transaction,
  plan: DeletionPlan<T, Rest>,
  id: string,
  token: string,
): Promise<Rest> => {
  const found = await tx.get(plan.from, id);
  if (found?.value.deletion?.token !== token) {
    throw new DomainError('conflict', 'CHANGED_MEANWHILE', `${plan.kind} ${id} changed while it was being deleted`, {
      details: { [plan.kind]: id },
    });
  }
  return await plan.remove(tx, found);
};

/** Takes the mark off at once rather than after its time; when that fails it is void soon. */
const lift = async <T extends Deletable>(
  { store, log }: Environment,
  from: Collection<T>,
  id: string,
  token: string,
): Promise<void> => {
  try {
    await store.transact(async (tx) => {
      const found = await tx.get(from, id);
      if (found?.value.deletion?.token === token) tx.put(from, id, unmarked(found.value), found.version);
      // The caller may be gone; this is cleaning up, with a bound of its own.
    }, AbortSignal.timeout(2_000));
  } catch (error) {
    log.debug({ err: error, id }, 'deletion mark stays until its time is over');
  }
};

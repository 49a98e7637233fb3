import { withDeadline } from '#platform/async/deadline.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Collection, Transaction } from '#platform/store/store.ts';
import { type Holder, holderKey, TURN_MS } from '../domain/errand.ts';
import type { Environment, Mutation } from './environment.ts';
import {
  beginCreation,
  CREATION_UNDONE,
  endCreation,
  finishRelease,
  giveUp,
  takeOver,
  tryFinishRelease,
} from './errands.ts';
import type { Earnest } from './ipam.ts';
import { answeredBefore, mutate, unlessAnswered, withoutWrites } from './mutate.ts';

/** How something is created that needs what IPAM gives. */
export interface HeldCreation<T, Held> {
  readonly holder: Holder;
  readonly answer: Collection<T>;
  /** Checks before IPAM is asked, with what the checks need; repeated by `make`, whose commit guards them. */
  readonly check: (tx: Transaction) => Promise<void>;
  /** Takes from IPAM; idempotent by holder. */
  readonly take: (how: Earnest, signal: AbortSignal) => Promise<Held>;
  readonly make: (tx: Transaction, held: Held) => Promise<T>;
}

/**
 * Creates a resource together with what IPAM holds for it. A record of the attempt is written first and removed in the
 * commit that makes the resource, so that whatever is interrupted is undone by the loop of errands: nothing stays leased to
 * what never came to be, and nothing comes to be whose lease was given back.
 */
export const createHeld = async <T, Held>(
  environment: Environment,
  creation: HeldCreation<T, Held>,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<T> => {
  const { store } = environment;
  const { answer } = creation;
  if (mutation.validateOnly) {
    await store.transact((tx) => creation.check(withoutWrites(tx)), signal);
    const held = await creation.take({ validateOnly: true }, signal);
    return await store.transact((tx) => creation.make(withoutWrites(tx), held), signal);
  }
  return await unlessAnswered(store, mutation, answer, () => attempt(environment, creation, mutation, signal), signal);
};

const attempt = async <T, Held>(
  environment: Environment,
  creation: HeldCreation<T, Held>,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<T> => {
  const { store } = environment;
  const { holder, answer } = creation;
  // A former life of the id whose release nobody is at would be in the way for no reason.
  const leftover = await takeOver(environment, holderKey(holder), signal);
  if (leftover !== undefined) await finishRelease(environment, leftover, signal);
  const begun = await store.transact(async (tx) => {
    const before = await answeredBefore(tx, mutation.request, answer);
    if (before !== undefined) return before;
    await creation.check(withoutWrites(tx));
    return { token: await beginCreation(environment, tx, holder) };
  }, signal);
  if ('result' in begun) return begun.result;
  const { token } = begun;
  try {
    return await withDeadline(TURN_MS, signal, async (turn) => {
      const held = await creation.take({ validateOnly: false }, turn);
      const work = async (tx: Transaction): Promise<T> => {
        await endCreation(environment, tx, holder, token);
        return await creation.make(tx, held);
      };
      return await mutate(store, mutation, answer, work, turn);
    });
  } catch (error) {
    if (isFinal(error)) await undo(environment, holder, token);
    if (error instanceof DomainError && error.reason === CREATION_UNDONE) {
      // Perhaps since another attempt has made it: then that is what is to be said.
      await store.transact((tx) => creation.check(withoutWrites(tx)), signal);
    }
    throw error;
  }
};

/**
 * Whether the same attempt would fail again. After anything else (time, cancellation, a store that may have committed)
 * the attempt may be going on: by a retry that has joined it, or in the store. The loop of errands sees to it later.
 */
const isFinal = (error: unknown): boolean =>
  error instanceof DomainError &&
  ['invalid', 'not_found', 'exists', 'precondition', 'exhausted', 'denied', 'out_of_range'].includes(error.code);

/** Has a time of its own: the caller may be gone. */
const undo = async (environment: Environment, holder: Holder, token: string): Promise<void> => {
  const { signal } = new AbortController();
  try {
    await withDeadline(TURN_MS, signal, async (turn) => {
      const release = await giveUp(environment, holder, token, turn);
      if (release !== undefined) await tryFinishRelease(environment, release, turn);
    });
  } catch (error) {
    environment.log.info({ err: error, holder: holderKey(holder) }, 'a failed creation is undone later');
  }
};

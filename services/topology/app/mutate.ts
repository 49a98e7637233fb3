import { DomainError } from '#platform/errors/domain-error.ts';
import { checkEtag } from '#platform/store/etag.ts';
import { type IdempotentRequest, withRequestId } from '#platform/store/idempotency.ts';
import type { Collection, Store, Transaction } from '#platform/store/store.ts';
import type { Lifetime } from '../domain/lifetime.ts';
import type { Mutation } from './environment.ts';

type Codec<T> = Pick<Collection<T>, 'encode' | 'decode'>;

/** Of what is answered with nothing: whoever asks again does not get what the work returned to this process. */
export const nothing: Codec<undefined> & { readonly encode: () => string } = {
  encode: () => '{}',
  decode: () => undefined,
};

/** The same view, but what is written is dropped: for checks without effect. */
export const withoutWrites = (tx: Transaction): Transaction => ({
  get: (from, id) => tx.get(from, id),
  getMany: (from, ids) => tx.getMany(from, ids),
  idsBy: (from, index, limit) => tx.idsBy(from, index, limit),
  put: (_into, _id, _value, expected) => (expected === 'absent' ? 1 : expected + 1),
  delete: () => undefined,
  emit: () => undefined,
});

/**
 * Runs `work` in one commit, once per request id; only checks where `validateOnly` says so. `answer` is how its result is
 * kept for whoever asks again.
 */
export const mutate = async <T>(
  store: Store,
  mutation: Mutation,
  answer: Codec<T>,
  work: (tx: Transaction) => Promise<T>,
  signal: AbortSignal,
): Promise<T> => {
  if (mutation.validateOnly) return await store.transact((tx) => work(withoutWrites(tx)), signal);
  const commit = (): Promise<T> =>
    store.transact(async (tx) => {
      let done: { readonly result: T } | undefined;
      const text = await withRequestId(tx, mutation.request, async () => {
        done = { result: await work(tx) };
        return answer.encode(done.result);
      });
      return done === undefined ? answer.decode(text) : done.result;
    }, signal);
  return await unlessAnswered(store, mutation, answer, commit, signal);
};

/**
 * Runs `attempt`. Where it fails because the same request, sent twice, was done by its twin meanwhile (what was to be
 * created exists, what was to be deleted is gone), the twin's answer holds.
 */
export const unlessAnswered = async <T>(
  store: Store,
  { request, validateOnly }: Mutation,
  answer: Codec<T>,
  attempt: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> => {
  try {
    return await attempt();
  } catch (error) {
    if (validateOnly || request.requestId === '' || !(error instanceof DomainError) || error.code === 'unavailable')
      throw error;
    const before = await store.transact((tx) => answeredBefore(tx, request, answer), signal);
    if (before === undefined) throw error;
    return before.result;
  }
};

/** What the request was answered before; undefined when it is new. Within a transaction this stays true until its commit. */
export const answeredBefore = async <T>(
  tx: Transaction,
  request: IdempotentRequest,
  answer: Codec<T>,
): Promise<{ readonly result: T } | undefined> => {
  let isNew = false;
  const text = await withRequestId(withoutWrites(tx), request, () => {
    isNew = true;
    return Promise.resolve('');
  });
  return isNew ? undefined : { result: answer.decode(text) };
};

/** DomainError `conflict` when the caller's etag is another than the resource's. */
export const checkResourceEtag = (given: string, { revision }: Lifetime): void => {
  checkEtag(given, revision);
};

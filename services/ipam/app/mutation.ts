import { withRequestId } from '#platform/store/idempotency.ts';
import type { IdempotentRequest } from '#platform/store/idempotency.ts';
import type { Collection, Store, Transaction, Versioned } from '#platform/store/store.ts';

/** What every change is asked for with. */
export interface Mutation {
  readonly request: IdempotentRequest;
  /** Check all, change nothing. */
  readonly validateOnly: boolean;
}

/** How an answer is kept for those who ask again. */
export interface AnswerCodec<R> {
  encode(answer: R): string;
  decode(text: string): R;
}

/** Nothing to say but that it is done. */
export const noAnswer: AnswerCodec<void> = { encode: () => '', decode: () => undefined };

/** A record as it was answered. */
export const recordAnswer = <T>(of: Collection<T>): AnswerCodec<Versioned<T>> => ({
  encode: ({ value, version }) => JSON.stringify([version, of.encode(value)]),
  decode: (text) => {
    const [version, value] = JSON.parse(text) as readonly [number, string];
    return { value: of.decode(value), version };
  },
});

/** A transaction that is done once per request id, or only tried. */
export const mutate = async <R>(
  store: Store,
  { request, validateOnly }: Mutation,
  codec: AnswerCodec<R>,
  work: (tx: Transaction) => Promise<R>,
  signal: AbortSignal,
): Promise<R> =>
  await store.transact(async (tx) => {
    if (validateOnly) return await work(onlyReading(tx));
    return codec.decode(await withRequestId(tx, request, async () => codec.encode(await work(tx))));
  }, signal);

/** Reads as `tx` does and forgets what is written. */
const onlyReading = (tx: Transaction): Transaction => ({
  get: (from, id) => tx.get(from, id),
  getMany: (from, ids) => tx.getMany(from, ids),
  idsBy: (from, index, limit) => tx.idsBy(from, index, limit),
  put: (_into, _id, _value, expected) => (expected === 'absent' ? 1 : expected + 1),
  delete: () => undefined,
  emit: () => undefined,
});

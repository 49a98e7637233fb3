import { aborted } from './aborted.ts';

/**
 * One piece of work at a time per key, in the order of the calls; keys do not wait for each other. What one work throws
 * is its own caller's alone.
 */
export class KeyedQueue<Key> {
  /** Per key: resolves (never rejects) when all that was queued so far is through. */
  readonly #tails = new Map<Key, Promise<void>>();

  /** Keys with work running or waiting. */
  get size(): number {
    return this.#tails.size;
  }

  /**
   * Runs `work` after all that was queued for `key` before it, at once when there is none. `signal` ends the waiting: it
   * then rejects with its reason and the work never starts. Work that has started minds its own signal.
   */
  async run<T>(key: Key, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const ahead = this.#tails.get(key);
    const own = Promise.withResolvers<undefined>();
    const tail = ahead === undefined ? own.promise : ahead.then(() => own.promise);
    this.#tails.set(key, tail);
    try {
      if (ahead !== undefined) await unlessAborted(ahead, signal);
      signal?.throwIfAborted();
      return await work();
    } finally {
      own.resolve(undefined);
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    }
  }

  /** Resolves once no key has work, counting what is queued meanwhile; rejects with the signal's reason when it aborts. */
  async idle(signal?: AbortSignal): Promise<void> {
    while (this.#tails.size > 0) await unlessAborted(Promise.all(this.#tails.values()), signal);
  }
}

const unlessAborted = async (promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> => {
  if (signal === undefined) {
    await promise;
    return;
  }
  using abort = aborted(signal);
  await Promise.race([abort.promise, promise]);
};

import { DomainError } from '#platform/errors/domain-error.ts';

export interface BatcherOptions<Item> {
  /** Milliseconds to collect after the first item; 0 collects what comes in the same turn of the event loop. */
  readonly windowMs: number;
  /** A flush takes no more than this; that many waiting items are flushed without waiting for the window. */
  readonly maxItems: number;
  /** Above this many waiting items `add` refuses. */
  readonly maxPending: number;
  /** Where given, a newer item takes the place of a waiting one with the same key, at the end of the queue. */
  readonly key?: (item: Item) => string;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly callers: readonly PromiseWithResolvers<undefined>[];
}

/** Collects items that come close together and hands them on as one; one flush at a time, in order, with bounds. */
export class Batcher<Item> {
  readonly #flush: (items: readonly Item[], signal: AbortSignal) => Promise<void>;
  readonly #options: BatcherOptions<Item>;
  readonly #halt = new AbortController();
  /** In queue order; keyed by a symbol of its own where items have no key. */
  readonly #waiting = new Map<string | symbol, Waiting<Item>>();
  /** Ends the collecting before its time. */
  #endWindow: (() => void) | undefined;
  #drain: Promise<void> | undefined;
  #closed = false;

  /** `flush` is called with one item or more; that it rejects is told to each of those who added them, and to nobody else. */
  constructor(flush: (items: readonly Item[], signal: AbortSignal) => Promise<void>, options: BatcherOptions<Item>) {
    this.#flush = flush;
    this.#options = options;
  }

  /** Items that no flush has taken yet. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Resolves once the flush with this item (or a newer one of its key) has; rejects with `exhausted`, or `unavailable` when closed. */
  async add(item: Item): Promise<void> {
    if (this.#closed) throw new DomainError('unavailable', 'BATCHER_CLOSED', 'takes no more items: it is closed');
    const key = this.#options.key?.(item) ?? Symbol('item');
    const older = this.#waiting.get(key);
    if (older === undefined && this.#waiting.size >= this.#options.maxPending) {
      throw new DomainError(
        'exhausted',
        'TOO_MANY_PENDING',
        `${this.#waiting.size.toString()} items are waiting already`,
      );
    }
    const caller = Promise.withResolvers<undefined>();
    this.#waiting.delete(key);
    this.#waiting.set(key, { item, callers: [...(older?.callers ?? []), caller] });
    if (this.#waiting.size >= this.#options.maxItems) this.#endWindow?.();
    this.#drain ??= this.#run();
    await caller.promise;
  }

  /** Takes no more items and flushes what is waiting. When the signal aborts, so do the flushes. Safe to call twice. */
  async close(signal: AbortSignal): Promise<void> {
    this.#closed = true;
    this.#endWindow?.();
    const abort = (): void => {
      this.#halt.abort(signal.reason);
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await this.#drain;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      await this.#collect();
      await this.#flushOnce(this.#take());
    }
    this.#drain = undefined;
  }

  async #collect(): Promise<void> {
    if (this.#closed || this.#waiting.size >= this.#options.maxItems) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { windowMs } = this.#options;
    const timer = windowMs === 0 ? undefined : setTimeout(resolve, windowMs, undefined);
    const turn = windowMs === 0 ? setImmediate(resolve, undefined) : undefined;
    this.#endWindow = () => {
      resolve(undefined);
    };
    await promise;
    this.#endWindow = undefined;
    clearTimeout(timer);
    clearImmediate(turn);
  }

  #take(): readonly Waiting<Item>[] {
    const taken: Waiting<Item>[] = [];
    for (const [key, waiting] of this.#waiting) {
      if (taken.length === this.#options.maxItems) break;
      taken.push(waiting);
      this.#waiting.delete(key);
    }
    return taken;
  }

  async #flushOnce(batch: readonly Waiting<Item>[]): Promise<void> {
    const callers = batch.flatMap((waiting) => waiting.callers);
    try {
      this.#halt.signal.throwIfAborted();
      await this.#flush(
        batch.map((waiting) => waiting.item),
        this.#halt.signal,
      );
      for (const caller of callers) caller.resolve(undefined);
    } catch (error) {
      for (const caller of callers) caller.reject(error);
    }
  }
}

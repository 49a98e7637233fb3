import type { Clock } from '#platform/async/clock.ts';

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** Time that passes only when told to. */
export class ManualClock implements Clock {
  readonly #sleepers = new Set<Sleeper>();
  #now: number;

  constructor(now = Date.UTC(2030, 0, 1)) {
    this.#now = now;
  }

  /** How many sleep right now: what a test polls for before it lets time pass. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    if (signal.aborted) {
      reject(signal.reason);
      return promise;
    }
    const sleeper: Sleeper = {
      due: this.#now + ms,
      wake: () => {
        signal.removeEventListener('abort', onAbort);
        resolve(undefined);
      },
    };
    const onAbort = (): void => {
      this.#sleepers.delete(sleeper);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#sleepers.add(sleeper);
    return promise;
  }

  /**
   * Lets `ms` pass, waking sleepers in the order they are due and letting each act (and sleep again) before the next.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let next = this.#nextDue(end); next !== undefined; next = this.#nextDue(end)) {
      this.#now = Math.max(this.#now, next.due);
      this.#sleepers.delete(next);
      next.wake();
      await turn();
    }
    this.#now = end;
    await turn();
  }

  #nextDue(end: number): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.due <= end && (next === undefined || sleeper.due < next.due)) next = sleeper;
    }
    return next;
  }
}

/** All microtasks that are ready, and what they make ready. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

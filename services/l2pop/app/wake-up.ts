import { aborted } from '#platform/async/aborted.ts';

/** Lets one waiter sleep until something happens; what happens while it is awake ends its next sleep at once. */
export class WakeUp {
  #happened = false;
  #wake: (() => void) | undefined;

  /** Something happened. */
  ring(): void {
    this.#happened = true;
    this.#wake?.();
  }

  /** Resolves at the next ring, or after `ms`; rejects with the signal's reason. */
  async next(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#happened) {
      using abort = aborted(signal);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      this.#wake = resolve;
      try {
        await Promise.race([promise, abort.promise]);
      } finally {
        clearTimeout(timer);
        this.#wake = undefined;
      }
    }
    this.#happened = false;
  }
}

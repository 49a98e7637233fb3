import { follow } from '#platform/async/follow.ts';
import type { Clock } from '#platform/async/clock.ts';

/** Lets a loop rest until it is time or somebody rings. A ring while it works counts for its next rest. */
export class Doorbell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves after `ms` milliseconds or a ring; rejects with the signal's reason. */
  async rest(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    using timer = follow(signal);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#rung) resolve();
    try {
      await Promise.race([promise, clock.sleep(ms, timer.signal)]);
    } finally {
      this.#rung = false;
      this.#wake = undefined;
      timer.abort();
    }
  }
}

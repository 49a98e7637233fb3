import { backoffMs } from '#platform/async/backoff.ts';
import { follow } from '#platform/async/follow.ts';
import { sleep } from '#platform/async/sleep.ts';
import { spreadMs } from '#platform/async/spread.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { Reconciliation } from './reconciliation.ts';

const RETRY = { baseMs: 200, maxMs: 5_000 } as const;

/** Reconciles at the start, whenever it is told to, and once per interval (give or take a fifth, so that replicas part). */
export class ReconcileLoop {
  readonly #reconciliation: Pick<Reconciliation, 'run'>;
  readonly #intervalMs: number;
  readonly #log: Log;
  #due = false;
  #wake: (() => void) | undefined;

  constructor(reconciliation: Pick<Reconciliation, 'run'>, intervalMs: number, log: Log) {
    this.#reconciliation = reconciliation;
    this.#intervalMs = intervalMs;
    this.#log = log;
  }

  /** Something may have been missed: reconciles as soon as the pass under way is through. */
  soon(): void {
    this.#due = true;
    this.#wake?.();
  }

  /** Until `signal` aborts; failed passes are tried again, ever less often. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      this.#due = false;
      try {
        await this.#reconciliation.run(signal);
        if (failures > 0) this.#log.info({}, 'reconciled with topology again');
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const fields = { err: toError(error), failures };
        // While everything starts at once, the first attempts find topology not there yet.
        if (failures < 3) this.#log.info(fields, 'cannot reconcile with topology yet');
        else this.#log.warn(fields, 'cannot reconcile with topology');
        failures += 1;
      }
      await this.#rest(
        failures === 0 ? spreadMs(this.#intervalMs, Math.random) : backoffMs(failures, RETRY, Math.random),
        signal,
      );
    }
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#due) return;
    using woken = follow(signal);
    this.#wake = () => {
      woken.abort();
    };
    await sleep(ms, woken.signal).catch(() => undefined);
    this.#wake = undefined;
  }
}

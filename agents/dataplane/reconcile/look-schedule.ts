import { backoffMs } from '#platform/async/backoff.ts';
import { spreadMs } from '#platform/async/spread.ts';
import type { AuditCause } from './audit.ts';
import type { WorkerTiming } from './worker-ports.ts';

const RETRY = { baseMs: 200, maxMs: 10_000 };

/**
 * When a network is looked at next, and why. Hosts that hear the same things look at different moments: they may share a
 * machine, and they share l2pop.
 */
export class LookSchedule {
  readonly #timing: WorkerTiming;
  readonly #onDue: () => void;
  #next: number;
  /** When it is looked at though it never rests. */
  #atLatest: number | undefined;
  #lastBegun = 0;
  #suspicion: AuditCause | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(timing: WorkerTiming, onDue: () => void) {
    this.#timing = timing;
    this.#onDue = onDue;
    this.#next = Date.now() + timing.auditIntervalMs;
  }

  get isDue(): boolean {
    return Date.now() >= this.#next;
  }

  get cause(): AuditCause {
    return this.#suspicion ?? 'periodic';
  }

  /** Calls when the next look is due, unless it is told otherwise before. */
  arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onDue, Math.max(0, this.#next - Date.now()) + 1);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  begun(): void {
    this.#lastBegun = Date.now();
    this.#suspicion = undefined;
    this.#atLatest = undefined;
  }

  /** Something was changed: when it has been quiet for a while, or has not been for long. */
  changed(isFailing: boolean): void {
    const now = Date.now();
    const { settleMs, auditSpacingMs, auditIntervalMs } = this.#timing;
    this.#atLatest ??= now + spreadMs(auditIntervalMs, Math.random);
    if (isFailing) return;
    const whenQuiet = Math.max(now + spreadMs(settleMs, Math.random), this.#lastBegun + auditSpacingMs);
    this.#next = Math.min(whenQuiet, this.#atLatest);
  }

  /** As soon as the spacing of looks lets it. */
  suspect(cause: AuditCause): void {
    const { auditSpacingMs, auditIntervalMs } = this.#timing;
    const wait = Math.max(0, this.#lastBegun + auditSpacingMs - Date.now());
    this.#next = Math.min(this.#next, Date.now() + Math.min(wait, auditIntervalMs));
    this.#suspicion = cause;
  }

  /** Whatever the spacing. */
  again(cause: AuditCause): void {
    this.#next = Date.now();
    this.#suspicion = cause;
  }

  /** All is well. */
  rest(): void {
    this.#next = Date.now() + spreadMs(this.#timing.auditIntervalMs, Math.random);
  }

  /** After so many failures in a row. */
  retry(failures: number): void {
    this.#next = Date.now() + backoffMs(failures - 1, RETRY, Math.random);
  }
}

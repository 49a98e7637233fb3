import { sleep } from '#platform/async/sleep.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { Operation, Outcome } from '../model/operation.ts';
import type { UplinkSettings } from '../model/uplinks.ts';
import { MOVE, moveBackLines, movedDevice } from '../plan/address-moves.ts';

const ASK_MS = 1_000;
const PAUSE_MS = 100;

export interface AddressMovesTools {
  readonly settings: Pick<UplinkSettings, 'reach' | 'reachWithinMs'>;
  /** Takes an interface out of its bridge and does lines of `ip -batch`, whatever becomes of what is before. */
  readonly undo: (device: string, lines: readonly string[], signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}

/**
 * Moves of the host's own addresses into a bridge: done only while the control plane is reached, and undone when it is not
 * reached soon after, or when a part of it fails. What was undone once is not tried again before the agent's next start.
 */
export class AddressMoves {
  readonly #tools: AddressMovesTools;
  readonly #undone = new Map<string, string>();

  constructor(tools: AddressMovesTools) {
    this.#tools = tools;
  }

  /** Why the addresses of an interface are not moved again. */
  complaintOf(device: string): string | undefined {
    return this.#undone.get(device);
  }

  /** Does the steps, and of a move sees how it went; an outcome that was undone is a failure. */
  async guard(
    operations: readonly Operation[],
    apply: () => Promise<readonly Outcome[]>,
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const device = operations.some(({ kind }) => kind === MOVE) ? movedDevice(operations) : undefined;
    if (device === undefined) return await apply();
    const before = this.#undone.get(device);
    if (before !== undefined) return operations.map((operation) => ({ operation, error: before }));
    const { settings, log } = this.#tools;
    await withDeadline(ASK_MS, signal, settings.reach);
    let why: string | undefined;
    let outcomes: readonly Outcome[] = [];
    try {
      outcomes = await apply();
      why = outcomes.find(({ operation, error }) => operation.kind === MOVE && error !== undefined)?.error;
      if (why === undefined && !(await this.#isReached(signal)))
        why = `the control plane was not reached within ${settings.reachWithinMs.toString()} ms after it`;
    } catch (thrown) {
      why = toError(thrown).message;
    }
    if (why === undefined) return outcomes;
    // With a signal of its own: the host must not be left cut off because its agent is stopped.
    await this.#tools.undo(device, moveBackLines(operations), AbortSignal.timeout(10_000));
    const complaint =
      `the addresses of ${device} were moved to its bridge and back again: ${why}; ` +
      'mend that and start the agent anew, or map another interface';
    log.error({ device, error: why }, 'addresses moved back');
    this.#undone.set(device, complaint);
    return outcomes.map(({ operation, error }) =>
      operation.kind === MOVE
        ? { operation, error: error ?? complaint }
        : { operation, ...(error !== undefined && { error }) },
    );
  }

  async #isReached(signal: AbortSignal): Promise<boolean> {
    const { settings } = this.#tools;
    const deadline = performance.now() + settings.reachWithinMs;
    for (;;) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      try {
        await withDeadline(Math.min(ASK_MS, left), signal, settings.reach);
        return true;
      } catch {
        signal.throwIfAborted();
        await sleep(Math.min(PAUSE_MS, Math.max(1, left)), signal);
      }
    }
  }
}

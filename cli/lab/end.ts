import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { signalProcess } from './proc.ts';
import type { ProcessIdentity } from './proc.ts';

/** Milliseconds that a process may take to vanish after SIGKILL; only one stuck in the kernel takes longer. */
const KILL_MS = 10_000;

/**
 * Ends all that `find` finds, each time anew, until it finds nothing: SIGTERM (and SIGCONT, for those that are paused), after
 * `graceMs` SIGKILL. Only processes whose start is that of the record are signalled. Rejects with `deadline` when some are
 * still there 10 s after SIGKILL.
 */
export const endProcesses = async (
  find: () => readonly ProcessIdentity[],
  graceMs: number,
  signal: AbortSignal,
): Promise<void> => {
  const start = performance.now();
  const asked = new Set<string>();
  let pauseMs = 1;
  for (let left = find(); left.length > 0; left = find()) {
    const spent = performance.now() - start;
    if (spent > graceMs + KILL_MS) {
      const pids = left.map(({ pid }) => pid.toString()).join(', ');
      throw new DomainError('deadline', 'PROCESS_STAYS', `processes ${pids} do not end, even by SIGKILL`);
    }
    for (const identity of left) {
      const key = `${identity.pid.toString()}@${identity.startTime.toString()}`;
      if (spent >= graceMs) signalProcess(identity, 'SIGKILL');
      else if (!asked.has(key)) {
        signalProcess(identity, 'SIGTERM');
        signalProcess(identity, 'SIGCONT');
      }
      asked.add(key);
    }
    await sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 1.5, 25);
  }
};

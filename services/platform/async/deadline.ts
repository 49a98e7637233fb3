import { DomainError } from '#platform/errors/domain-error.ts';
import { aborted } from './aborted.ts';
import { follow } from './follow.ts';

/**
 * Runs `work` for at most `ms` milliseconds. Its signal aborts at the deadline and with `signal`. Rejects at that very
 * moment (DomainError `deadline`, or the signal's reason), even when `work` does not listen: what such work still brings
 * is dropped, so work that opens something must close it when its signal aborts.
 */
export const withDeadline = async <T>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  signal.throwIfAborted();
  using linked = follow(signal);
  // Before the work, so that its own reaction to the signal does not win the race.
  using abort = aborted(linked.signal);
  const timer = setTimeout(() => {
    linked.abort(new DomainError('deadline', 'DEADLINE_EXCEEDED', `not done within ${ms.toString()} ms`));
  }, ms);
  try {
    return await Promise.race([abort.promise, work(linked.signal)]);
  } finally {
    clearTimeout(timer);
  }
};

import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import { EXIT_FAILURE } from './report-failure.ts';

export interface ProcessWatcher {
  readonly log: Log;
  /** The first SIGTERM or SIGINT. */
  readonly onSignal: (signal: NodeJS.Signals) => void;
  /** The first exception or rejection that nobody handled. */
  readonly onFailure: (error: Error) => void;
}

// What a shell reports for a process that SIGINT ended.
const EXIT_INTERRUPTED = 130;

/** Listens for signals and unhandled failures until disposed. The second of a kind ends the process at once. */
export const watchProcess = ({ log, onSignal, onFailure }: ProcessWatcher): Disposable => {
  let signalled = false;
  let failed = false;
  const signal = (name: NodeJS.Signals): void => {
    if (signalled) process.exit(EXIT_INTERRUPTED);
    signalled = true;
    onSignal(name);
  };
  const failure = (thrown: unknown): void => {
    const error = toError(thrown);
    if (failed) {
      log.error({ err: error }, 'another unhandled failure');
      process.exit(EXIT_FAILURE);
    }
    failed = true;
    onFailure(error);
  };
  process.on('SIGTERM', signal).on('SIGINT', signal);
  process.on('uncaughtException', failure).on('unhandledRejection', failure);
  return {
    [Symbol.dispose]: () => {
      process.off('SIGTERM', signal).off('SIGINT', signal);
      process.off('uncaughtException', failure).off('unhandledRejection', failure);
    },
  };
};

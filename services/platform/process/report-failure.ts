import { DomainError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';

/** Ended because it was told to. */
export const EXIT_OK = 0;
/** Ended by a failure. */
export const EXIT_FAILURE = 1;
/** Was told something invalid: settings, arguments. Starting it again as it is will not help. */
const EXIT_USAGE = 2;

/**
 * Says why a process ends and returns its exit code. A DomainError `invalid` is a plain sentence on standard error, for
 * the person who wrote the settings; anything else goes to the log with its stack (without a log: to standard error).
 */
export const reportFailure = (name: string, error: Error, log?: Log): number => {
  if (error instanceof DomainError && error.code === 'invalid') {
    process.stderr.write(`${name}: ${error.message}\n`);
    return EXIT_USAGE;
  }
  if (log === undefined) process.stderr.write(`${name}: ${error.stack ?? error.message}\n`);
  else log.error({ err: error }, 'failed');
  return EXIT_FAILURE;
};

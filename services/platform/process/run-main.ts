import { toError } from '#platform/errors/domain-error.ts';
import { reportFailure } from './report-failure.ts';

/** Runs a program's body, for what comes before `runProcess` (settings, the log): what it throws becomes the exit code. */
export const runMain = async (name: string, body: () => Promise<void>): Promise<void> => {
  try {
    await body();
  } catch (error) {
    process.exitCode = reportFailure(name, toError(error));
  }
};

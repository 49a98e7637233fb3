import { backoffMs } from '#platform/async/backoff.ts';
import type { Doorbell } from './doorbell.ts';
import type { Environment } from './environment.ts';
import { runErrands } from './run-errands.ts';
import { sweepLeases } from './sweep-leases.ts';

/** How long a lease may have ended before that is noticed, and an errand may be left lying. */
const EVERY_MS = 1_000;
const BACKOFF = { baseMs: 500, maxMs: 10_000 } as const;

/** Runs until the signal aborts: hosts whose lease ends are marked down. */
export const leaseLoop = async (environment: Environment, bell: Doorbell, signal: AbortSignal): Promise<void> => {
  await again(environment, bell, 'hosts whose lease has ended are looked for later', sweepLeases, signal);
};

/** Runs until the signal aborts: what was begun and left is done; at once when the bell rings. */
export const errandLoop = async (environment: Environment, bell: Doorbell, signal: AbortSignal): Promise<void> => {
  await again(environment, bell, 'errands are looked for later', runErrands, signal);
};

const again = async (
  environment: Environment,
  bell: Doorbell,
  complaint: string,
  work: (environment: Environment, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  let failures = 0;
  for (;;) {
    try {
      await work(environment, signal);
      failures = 0;
    } catch (error) {
      signal.throwIfAborted();
      // The store being away is said by its connection; this is for the rest.
      environment.log.info({ err: error }, complaint);
      failures += 1;
    }
    const pause = failures === 0 ? 0 : backoffMs(failures - 1, BACKOFF, Math.random);
    await bell.rest(EVERY_MS + pause, environment.clock, signal);
  }
};

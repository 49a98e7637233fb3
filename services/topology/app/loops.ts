import { backoffMs } from '#platform/async/backoff.ts';
import type { Doorbell } from './doorbell.ts';
import type { Environment } from './environment.ts';
import { runErrands } from './run-errands.ts';
import { sweepLeases } from './sweep-leases.ts';

/** How long a lease may have ended before that is noticed, and an errand may be left lying. */
const EVERY_MS = 1_000;
const BACKOFF = { baseMs: 500, maxMs: 10_000 } as const;

/**
 * Runs until the signal aborts: hosts whose lease ends are marked down. While the store is away nobody can renew, so that
 * time does not count.
 */
export const leaseLoop = async (environment: Environment, bell: Doorbell, signal: AbortSignal): Promise<void> => {
  const { clock } = environment;
  let servingSince: number | undefined;
  const sweep = async (): Promise<void> => {
    const since = servingSince ?? clock.now();
    servingSince = undefined;
    await sweepLeases(environment, since, signal);
    servingSince = since;
  };
  await again(environment, bell, 'hosts whose lease has ended are looked for later', sweep, signal);
};

/** Runs until the signal aborts: what was begun and left is done; at once when the bell rings. */
export const errandLoop = async (environment: Environment, bell: Doorbell, signal: AbortSignal): Promise<void> => {
  await again(environment, bell, 'errands are looked for later', () => runErrands(environment, signal), signal);
};

/** Works, and works again when the bell rings or the time has come, until the signal aborts. */
export const again = async (
  environment: Pick<Environment, 'clock' | 'log'>,
  bell: Doorbell,
  complaint: string,
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  let failures = 0;
  for (;;) {
    try {
      await work();
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

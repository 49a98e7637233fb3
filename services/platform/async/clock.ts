import { sleep } from './sleep.ts';

/** Time as a dependency, so that a test need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** As `sleep` of async/sleep.ts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The time of this machine. */
export const systemClock: Clock = { now: () => Date.now(), sleep };

/** Milliseconds: before the first retry at most `baseMs`, never more than `maxMs`. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait before retry number `attempt` (0 is the first): doubles up to `maxMs`, and a random point in the upper
 * half of that, so that many clients do not come back at once and none comes back at once after many failures.
 * `random` is in [0, 1), e.g. `Math.random`.
 */
export const backoffMs = (attempt: number, options: BackoffOptions, random: () => number): number => {
  // 2^30 is past any ceiling and still exact.
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(Math.max(attempt, 0), 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
};

/** The two clocks of a process: milliseconds since its start, fine and steady; Unix milliseconds, whole and adjusted. */
export interface Clocks {
  /** Milliseconds, fractions included, that never jump. */
  steady(): number;
  /** Unix time in whole milliseconds. */
  wall(): number;
}

/**
 * Unix time in milliseconds with fractions. OpenTelemetry starts spans on whole milliseconds, which is no use where all of
 * a trace is three of them. The fraction comes from the steady clock, which is kept within the wall clock's millisecond:
 * over days the two drift apart, and the wall clock may be set.
 */
export const fineClock = (clocks: Clocks, initialOffset: number): (() => number) => {
  let offset = initialOffset;
  return () => {
    const steady = clocks.steady();
    const wall = clocks.wall();
    const estimate = steady + offset;
    const within = Math.min(Math.max(estimate, wall), wall + 0.999);
    offset += within - estimate;
    return within;
  };
};

/** Unix time in milliseconds with fractions, for the start and end of spans. */
export const unixNow: () => number = fineClock(
  { steady: () => performance.now(), wall: () => Date.now() },
  performance.timeOrigin,
);

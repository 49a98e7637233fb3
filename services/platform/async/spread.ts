/**
 * About so long: from three to five quarters of it, so that what begins at one moment in many places does not go on at one.
 * `random` is in [0, 1), e.g. `Math.random`.
 */
export const spreadMs = (ms: number, random: () => number): number => Math.round(ms * (0.75 + random() / 2));

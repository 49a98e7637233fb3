/** A distribution, in the unit of its values. */
export interface Figures {
  readonly n: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Nearest-rank percentiles. */
export const figuresOf = (values: readonly number[]): Figures => {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (q: number): number => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
  return { n: sorted.length, p50: round(rank(0.5)), p99: round(rank(0.99)), max: round(sorted.at(-1) ?? Number.NaN) };
};

/** To three places: more would be noise. */
export const round = (value: number): number => Math.round(value * 1000) / 1000;

/** Seconds that it takes. */
export const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
};

/** Milliseconds of so many turns, one after the other: the median. */
export const medianMs = async (turns: number, work: (turn: number) => Promise<unknown>): Promise<number> => {
  const taken: number[] = [];
  for (let turn = 0; turn < turns; turn += 1) taken.push((await timed(async () => work(turn))) * 1000);
  return figuresOf(taken).p50;
};

/** Runs `work` `count` times, `width` at once; the results in order. */
export const inFlight = async <T>(
  count: number,
  width: number,
  work: (index: number) => Promise<T>,
): Promise<readonly T[]> => {
  const results: T[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index);
  };
  await Promise.all(Array.from({ length: width }, lane));
  return results;
};

/** Waits for all, also after one has failed, so that nothing goes on behind the back of whoever clears up; then rejects with the first failure. */
export const all = async (work: readonly Promise<unknown>[]): Promise<void> => {
  const failed = (await Promise.allSettled(work)).find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
};

/** Runs `work` for each item, at most `limit` at once; begins no more when one has failed. Waits and rejects as `all` does. */
export const inParallel = async <Item>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> => {
  const queue = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await all(Array.from({ length: Math.min(limit, items.length) }, worker));
};

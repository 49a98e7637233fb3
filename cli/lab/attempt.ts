/** What `work` returns, or `otherwise` when it throws: for clearing up, which goes on with what it has. */
export const attempt = <T>(work: () => T, otherwise: T): T => {
  try {
    return work();
  } catch {
    return otherwise;
  }
};

/** What the event loop holds on to, by kind, e.g. `Timeout` or `TCPSocketWrap`. */
const held = (): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
};

const added = (before: ReadonlyMap<string, number>): readonly string[] =>
  [...held()].flatMap(([kind, count]) => {
    const more = count - (before.get(kind) ?? 0);
    return more > 0 ? [`${more.toString()} × ${kind}`] : [];
  });

/**
 * `await using _ = leakCheck()` at the top of a scope: at its end, throws when sockets, timers, servers or child processes
 * that were opened within are still there. Closing takes the event loop a moment, so it looks again until `withinMs`.
 */
export const leakCheck = (withinMs = 1_000): AsyncDisposable => {
  const before = held();
  return {
    [Symbol.asyncDispose]: async () => {
      const end = performance.now() + withinMs;
      // setImmediate, since a timer of its own would be counted.
      while (added(before).length > 0 && performance.now() < end) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
      const leaked = added(before);
      if (leaked.length > 0) throw new Error(`left open: ${leaked.join(', ')}`);
    },
  };
};

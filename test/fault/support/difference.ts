/** What is wanted and not there, what is there and not wanted, and what is there more than once. */
export const difference = (where: string, wanted: readonly string[], found: readonly string[]): readonly string[] => {
  const [expected, there] = [new Set(wanted), new Set(found)];
  const missing = [...expected].filter((each) => !there.has(each)).map((each) => `${where}: missing ${each}`);
  const stale = [...there].filter((each) => !expected.has(each)).map((each) => `${where}: stale ${each}`);
  const doubled = found.length === there.size ? [] : [`${where}: ${(found.length - there.size).toString()} doubled`];
  return [...missing, ...stale, ...doubled];
};

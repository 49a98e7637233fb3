/** `; did you mean …?` for the candidate nearest to `name`, or nothing when none is near. */
export const didYouMean = (name: string, candidates: Iterable<string>): string => {
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest === undefined ? '' : `; did you mean ${nearest}?`;
};

/** Levenshtein: insertions, deletions and replacements of one character. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, fromA] of a.split('').entries()) {
    const next = [i + 1];
    for (const [j, fromB] of b.split('').entries()) {
      const replaced = (row[j] ?? 0) + (fromA === fromB ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
};

/** A line of a comparison: in both, only on the page, or only in what came. */
export interface Row {
  readonly mark: ' ' | '-' | '+';
  /** Which line of the page, from 0; what only came has none. */
  readonly at: number | undefined;
  readonly text: string;
}

const ANYTHING = '…';

/**
 * Holds what a page shows against what came. `…` within a line stands for any characters of it, also none; `…` alone on a
 * line stands for any number of lines, also none. One run of white space is as good as another; that at the end of a
 * line, and empty lines before the first and after the last one, say nothing. Everything else stands for itself.
 *
 * Returns undefined when all of what came is what is shown; else both, line by line, with as few differences as there can be.
 */
export const compare = (shown: string, came: string): readonly Row[] | undefined => {
  const page = linesOf(shown);
  const real = linesOf(came).map(({ text }) => text);
  const costs = costsOf(
    page.map(({ text }) => text),
    real,
  );
  return costs.at(page.length, real.length) === 0 ? undefined : rowsOf(page, real, costs);
};

interface Line {
  readonly at: number;
  readonly text: string;
}

/** How many differences there are at least between the first `i` lines of the page and the first `j` of what came. */
interface Costs {
  readonly same: (i: number, j: number) => boolean;
  readonly isOpen: (i: number) => boolean;
  readonly at: (i: number, j: number) => number;
}

const costsOf = (page: readonly string[], real: readonly string[]): Costs => {
  const width = real.length + 1;
  const table = new Uint32Array((page.length + 1) * width);
  const at = (i: number, j: number): number => table[i * width + j] ?? 0;
  const patterns = page.map((line) => plain(line).split(ANYTHING));
  const plainReal = real.map(plain);
  const same = (i: number, j: number): boolean => fits(patterns[i - 1] ?? [], plainReal[j - 1] ?? '');
  const isOpen = (i: number): boolean => page[i - 1]?.trim() === ANYTHING;
  for (let i = 0; i <= page.length; i += 1) {
    const free = isOpen(i) ? 0 : 1;
    for (let j = 0; j < width; j += 1) {
      let least = i === 0 && j === 0 ? 0 : Infinity;
      if (i > 0) least = Math.min(least, at(i - 1, j) + free);
      if (j > 0) least = Math.min(least, at(i, j - 1) + free);
      if (i > 0 && j > 0 && same(i, j)) least = Math.min(least, at(i - 1, j - 1));
      table[i * width + j] = least;
    }
  }
  return { same, isOpen, at };
};

const rowsOf = (page: readonly Line[], real: readonly string[], { same, isOpen, at }: Costs): readonly Row[] => {
  const rows: Row[] = [];
  let i = page.length;
  let j = real.length;
  while (i > 0 || j > 0) {
    const { at: line, text } = page[i - 1] ?? { at: undefined, text: '' };
    const came = real[j - 1] ?? '';
    if (isOpen(i)) {
      if (j > 0 && at(i, j) === at(i, j - 1)) j -= 1;
      else {
        rows.push({ mark: ' ', at: line, text });
        i -= 1;
      }
    } else if (i > 0 && j > 0 && same(i, j) && at(i, j) === at(i - 1, j - 1)) {
      rows.push({ mark: ' ', at: line, text: came });
      i -= 1;
      j -= 1;
    } else if (j > 0 && at(i, j) === at(i, j - 1) + 1) {
      rows.push({ mark: '+', at: undefined, text: came });
      j -= 1;
    } else {
      rows.push({ mark: '-', at: line, text });
      i -= 1;
    }
  }
  return rows.toReversed();
};

/** Whether the parts stand in the line in their order, the first at its begin and the last at its end. */
const fits = (parts: readonly string[], line: string): boolean => {
  const [first = '', ...others] = parts;
  const last = others.pop();
  if (last === undefined) return line === first;
  if (!line.startsWith(first)) return false;
  let from = first.length;
  for (const part of others) {
    const at = line.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return line.length - last.length >= from && line.endsWith(last);
};

const plain = (line: string): string => line.replaceAll(/\s+/g, ' ').trimEnd();

const linesOf = (text: string): readonly Line[] => {
  const lines = text.split('\n').map((line, at) => ({ at, text: line.trimEnd() }));
  const from = lines.findIndex((line) => line.text !== '');
  const to = lines.findLastIndex((line) => line.text !== '');
  return from === -1 ? [] : lines.slice(from, to + 1);
};

const GAP = '  ';

// Names come from people: what would move the cursor is shown, not done.
const printable = (text: string): string => text.replace(/\p{Cc}/gu, '�');

/** Columns as wide as their widest cell; the last one as long as it is. */
export const table = (titles: readonly string[], rows: readonly (readonly string[])[]): string => {
  const cells = [titles, ...rows.map((row) => row.map(printable))];
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => [...(row[column] ?? '')].length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - [...cell].length),
        )
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
};

// East Asian Wide and Fullwidth (UAX #11), and emoji, as terminals draw them.
const WIDE =
  /[\u{1100}-\u{115f}\u{2e80}-\u{a4cf}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe30}-\u{fe6f}\u{ff00}-\u{ff60}\u{ffe0}-\u{ffe6}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const ZERO = /\p{Mn}|\p{Me}|\p{Cf}/u;

const widthOf = (character: string): number => (ZERO.test(character) ? 0 : WIDE.test(character) ? 2 : 1);

/** Columns that a text takes in a terminal. */
export const width = (text: string): number => {
  let sum = 0;
  for (const character of text) sum += widthOf(character);
  return sum;
};

/** What a host or a guest is called must not drive the terminal of the one who reads it. */
export const printable = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** At most so many columns, with a sign that something was left out. */
export const fit = (text: string, columns: number): string => {
  if (width(text) <= columns) return text;
  let [taken, sum] = ['', 0];
  for (const character of text) {
    sum += widthOf(character);
    if (sum > columns - 1) break;
    taken += character;
  }
  return columns < 1 ? '' : `${taken}…`;
};

/** Exactly so many columns. */
export const pad = (text: string, columns: number, at: 'left' | 'right' = 'left'): string => {
  const fitted = fit(text, columns);
  const space = ' '.repeat(Math.max(0, columns - width(fitted)));
  return at === 'left' ? fitted + space : space + fitted;
};

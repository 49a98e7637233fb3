import { expect, test } from 'vitest';
import { compare } from './compare.ts';

const lines = (...all: readonly string[]): string => `${all.join('\n')}\n`;

test.each([
  ['the same', 'a b\nc\n', 'a b\nc\n'],
  ['nothing', '', ''],
  ['another run of white space', 'NAME  HOST\nx  y', 'NAME\tHOST   \nx      y'],
  ['empty lines around it', '\n\na\n', 'a\n\n\n'],
  ['any characters', 'time=… ms', 'time=0.272 ms'],
  ['no characters', 'a…b', 'ab'],
  ['characters at both ends', '…b…', 'abc'],
  ['two gaps and a part that comes twice', 'a…b…b', 'a1b2b3b'],
  ['any lines', 'a\n…\nd', 'a\nb\nc\nd'],
  ['no lines', 'a\n…\nb', 'a\nb'],
  ['any lines at the end', 'a\n…', 'a\nb\nc'],
  ['any lines where what follows comes earlier too', '…\na\n…\na\nb', 'a\nb\na\nb'],
  ['all that is', '…', 'a\nb'],
  ['what a pattern might mean', 'a.* (b) [c] $1 \\d', 'a.* (b) [c] $1 \\d'],
])('takes %s for what is shown', (_what, shown, came) => {
  expect(compare(shown, came)).toBeUndefined();
});

test.each([
  ['another line', 'a\nb\nc', 'a\nx\nc', ['  0 a', '- 1 b', '+   x', '  2 c']],
  ['a missing line', 'a\nb', 'a', ['  0 a', '- 1 b']],
  ['an extra line', 'a\nc', 'a\nb\nc', ['  0 a', '+   b', '  1 c']],
  ['an extra line at the end', 'a', 'a\nb', ['  0 a', '+   b']],
  ['lines in another order', 'a\nb', 'b\na', ['- 0 a', '  1 b', '+   a']],
  ['output where none is', '', 'a', ['+   a']],
  ['nothing where output is', 'a', '', ['- 0 a']],
  ['white space where none is', 'ab', 'a b', ['- 0 ab', '+   a b']],
  ['an indentation where none is', 'a', '  a', ['- 0 a', '+     a']],
  ['what ends too early for both ends', 'aba…aba', 'aba', ['- 0 aba…aba', '+   aba']],
  ['what is behind the end', 'a…b', 'abc', ['- 0 a…b', '+   abc']],
  ['an empty line within', 'a\n\nb', 'a\nb', ['  0 a', '- 1 ', '  2 b']],
  ['what any lines do not hide', 'a\n…\nb', 'a\nx\ny', ['  0 a', '  1 …', '- 2 b']],
])('does not take %s for it', (_what, shown, came, rows) => {
  expect(compare(shown, came)?.map(({ mark, at, text }) => `${mark} ${at ?? ' '} ${text}`)).toEqual(rows);
});

test('counts lines from the first of the block, also where that is empty', () => {
  expect(compare(lines('', 'a', 'b'), lines('a', 'c'))?.map(({ at }) => at)).toEqual([1, 2, undefined]);
});

test('tells few differences in long output', () => {
  const many = Array.from({ length: 2_000 }, (_, index) => `row ${index}`);
  const rows = compare(lines(...many), lines(...many.toSpliced(1_000, 1)));
  expect(rows?.filter(({ mark }) => mark !== ' ')).toEqual([{ mark: '-', at: 1_000, text: 'row 1000' }]);
});

import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileJournal } from './file-journal.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-journal-'));
  path = join(folder, 'state', 'lines');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test('what is added is in the file at once, after what was there', () => {
  const journal = new FileJournal(path);
  expect(journal.read()).toEqual([]);
  journal.replace(['a']);
  journal.add('b');
  journal.add('c');
  expect(readFileSync(path, 'utf8')).toBe('a\nb\nc\n');
  journal.close();
  expect(new FileJournal(path).read()).toEqual(['a', 'b', 'c']);
});

test('a line that a crash cut off is no line', () => {
  const journal = new FileJournal(path);
  journal.replace(['a']);
  appendFileSync(path, 'tap0');
  expect(journal.read()).toEqual(['a']);
});

test('what is added after a replacement goes to the new file', () => {
  const journal = new FileJournal(path);
  journal.replace(['a']);
  journal.add('b');
  journal.replace(['c']);
  journal.add('d');
  journal.close();
  expect(journal.read()).toEqual(['c', 'd']);
});

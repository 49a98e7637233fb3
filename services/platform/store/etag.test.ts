import { expect, test } from 'vitest';
import { checkEtag, etagOf } from './etag.ts';

test('an etag is a quoted text that differs between versions', () => {
  expect(etagOf(1)).toMatch(/^"[^"]+"$/u);
  expect(new Set([1, 2, 35, 36, 37].map(etagOf)).size).toBe(5);
});

test('the current etag passes, and so does none', () => {
  checkEtag(etagOf(7), 7);
  checkEtag('', 7);
});

test.each([etagOf(6), '7', 'W/"7"', '*'])('%s does not fit version 7', (given) => {
  expect(() => {
    checkEtag(given, 7);
  }).toThrow(expect.objectContaining({ code: 'conflict', reason: 'ETAG_MISMATCH' }));
});

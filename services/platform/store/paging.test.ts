import { expect, test } from 'vitest';
import { pageToken, parsePageSize, parsePageToken } from './paging.ts';

const inField = (field: string): unknown =>
  expect.objectContaining({ code: 'invalid', violations: [expect.objectContaining({ field })] });

test.each(['a', 'fd00::1', 'ä"\\\u{1f600}'])('a token continues after the id %s', (after) => {
  const token = pageToken(after, 'ListPorts network=1');
  expect(token).toMatch(/^[\w-]+$/u);
  expect(parsePageToken(token, 'ListPorts network=1')).toBe(after);
});

test('no token is the beginning, and the end has no token', () => {
  expect(parsePageToken('', 'any')).toBeUndefined();
  expect(pageToken(undefined, 'any')).toBe('');
});

test('a token of another query is refused', () => {
  const token = pageToken('a', 'ListPorts network=1');
  expect(() => parsePageToken(token, 'ListPorts network=2')).toThrow(inField('page_token'));
});

test.each([
  '%%%',
  'aGVsbG8',
  Buffer.from('[]').toString('base64url'),
  Buffer.from('["x",""]').toString('base64url'),
  Buffer.from('{"length":2}').toString('base64url'),
  'A'.repeat(10_000),
])('%s is no token', (token) => {
  expect(() => parsePageToken(token, 'any')).toThrow(inField('page_token'));
});

test('a page has the default size, the one asked for, or the most', () => {
  expect([0, 1, 1_000, 1_001, 2 ** 31 - 1].map((size) => parsePageSize(size))).toEqual([100, 1, 1_000, 1_000, 1_000]);
  expect(parsePageSize(0, { default: 7, max: 9 })).toBe(7);
});

test.each([-1, 1.5, Number.NaN])('%s is no page size', (size) => {
  expect(() => parsePageSize(size)).toThrow(inField('page_size'));
});

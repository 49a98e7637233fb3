import { expect, test } from 'vitest';
import { identityOf } from './identity.ts';

test.each([
  ['DNS:host-a', 'host-a'],
  ['DNS:host-a, URI:weft://host/a', 'weft://host/a'],
  ['IP Address:10.0.0.1, DNS:host-a, DNS:host-b', 'host-a'],
  ['DNS:"a, URI:weft://operator/root"', 'a, URI:weft://operator/root'],
])('%s is %s', (text, identity) => {
  expect(identityOf(text)).toBe(identity);
});

test.each([
  undefined,
  '',
  'IP Address:10.0.0.1',
  'DNS:',
  'DNS:a, "URI:weft://operator/root',
  'DNS:a\\x, ,URI:b',
  'DNS:"\\q"',
])('%j names nobody', (text) => {
  expect(identityOf(text)).toBeUndefined();
});

import { describe, expect, test } from 'vitest';
import { hostOf, networkOf, vtepOf } from '../testing/arbitraries.ts';
import { adviceFor } from './advice.ts';
import { laggards, progressOf } from './convergence.ts';
import { parseHeldRevision, parseRevision } from './revision.ts';
import type { HostRecord, TableState } from './table.ts';

const record: HostRecord = {
  ackedRevision: 5,
  digest: '',
  digestRevision: 0,
  expectedDigest: '',
  time: 1,
  driftRepaired: 0,
};
const stateWith = (...records: readonly (HostRecord | undefined)[]): TableState => ({
  networkId: networkOf(0),
  revision: 5,
  members: records.map((one, n) => ({ vtep: vtepOf(n), entries: 1, ...(one !== undefined && { record: one }) })),
});

describe('a host', () => {
  test.each([
    ['was never heard of', undefined, 5, false],
    ['is behind', { ...record, ackedRevision: 3 }, 2, false],
    ['acknowledged everything', record, 0, true],
    ['acknowledged a later revision', { ...record, ackedRevision: 9 }, 0, true],
    ['read back what is right', { ...record, digest: 'a', expectedDigest: 'a' }, 0, true],
    ['read back something else', { ...record, digest: 'a', expectedDigest: 'b' }, 0, false],
    ['read back what nobody can judge any more', { ...record, digest: 'a' }, 0, true],
  ])('that %s lags and is in sync accordingly', (_name, one, lag, inSync) => {
    expect(progressOf(stateWith(one))).toMatchObject([{ lag, inSync }]);
  });

  test('lags behind a revision until it acknowledged it', () => {
    const state = stateWith(record, { ...record, ackedRevision: 4 }, undefined);
    const who = (revision: number) => laggards(state, revision).map(({ member }) => member.vtep.hostId);
    expect(who(5)).toEqual([hostOf(1), hostOf(2)]);
    expect(who(4)).toEqual([hostOf(2)]);
    expect(who(6)).toEqual([hostOf(0), hostOf(1), hostOf(2)]);
  });
});

test.each([
  ['holds it all and read back nothing new', 5, '', 5, undefined],
  ['holds it all and read back what is right', 5, 'right', 5, undefined],
  ['is behind', 4, 'right', 4, 'fetch-changes'],
  ['read back something else at the current revision', 5, 'wrong', 5, 'resync'],
  ['read back something else at an earlier revision', 5, 'wrong', 4, undefined],
])('a host that %s is told what to do', (_name, revision, digest, digestRevision, kind) => {
  const verdict = { revision: 5, expectedDigest: 'right', lifted: false, advanced: false };
  const advice = adviceFor({ networkId: networkOf(0), revision, digest, digestRevision, driftRepaired: 0 }, verdict);
  expect(advice?.kind).toBe(kind);
  if (advice !== undefined) expect(advice).toMatchObject({ revision: 5, expectedDigest: 'right' });
});

test('revisions are read only when they can be counted on', () => {
  expect(parseRevision('f', '12')).toBe(12);
  expect(parseHeldRevision('f', '281474976710656')).toBe(2 ** 48);
  for (const bad of ['-1', '1.5', 'x', '9007199254740991', '18446744073709551615']) {
    expect(() => parseRevision('f', bad)).toThrow('is not a revision');
    expect(() => parseHeldRevision('f', bad)).toThrow('is not a revision');
  }
  expect(() => parseHeldRevision('f', '281474976710657')).toThrow('is not a revision');
});

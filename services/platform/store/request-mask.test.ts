import { expect, test } from 'vitest';
import { applyMask, checkMask } from './request-mask.ts';

const allowed = ['name', 'mtu', 'labels'] as const;

test('a mask names fields, once each, with the resource in front or without', () => {
  expect(checkMask(['mtu', 'network.name', 'mtu'], allowed, 'network')).toEqual(['mtu', 'name']);
});

test.each([[[]], [['*']]])('%j means all that may change', (paths) => {
  expect(checkMask(paths, allowed, 'network')).toEqual(allowed);
});

test.each(['id', '', 'name.first', 'port.name', 'network', 'network.', '__proto__', '*'])(
  'a mask with %j is refused, with the path and what may stand there',
  (path) => {
    expect(() => checkMask(['name', path], allowed, 'network')).toThrow(
      expect.objectContaining({
        code: 'invalid',
        message: expect.stringContaining(JSON.stringify(path)) as string,
        violations: [expect.objectContaining({ field: 'update_mask' })],
      }),
    );
  },
);

test('only what is named is taken over, also when it is unset there', () => {
  const current: { name: string; mtu: number | undefined } = { name: 'old', mtu: 1_450 };
  const wanted = { name: 'new', mtu: undefined };
  expect(applyMask(current, wanted, ['mtu'])).toEqual({ name: 'old', mtu: undefined });
  expect(applyMask(current, wanted, [])).toBe(current);
});

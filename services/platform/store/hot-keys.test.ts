import { expect, test } from 'vitest';
import { HotKeys } from './hot-keys.ts';

const never = new AbortController().signal;

test('gives turns one after the other, first come first served, and then forgets the key', async () => {
  const hot = new HotKeys();
  const order: string[] = [];
  const visit = async (name: string): Promise<void> => {
    using _turn = await hot.turn('k', never);
    order.push(`${name} in`);
    await Promise.resolve();
    order.push(`${name} out`);
  };
  const visits = Promise.all([visit('a'), visit('b'), visit('c')]);
  expect(hot.isHot('k')).toBe(true);
  expect(hot.isHot('other')).toBe(false);
  await visits;
  expect(order).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
  expect(hot.isHot('k')).toBe(false);
});

test('lets whoever hangs up leave the line without losing the turn for those behind', async () => {
  const hot = new HotKeys();
  const first = await hot.turn('k', never);
  const caller = new AbortController();
  const leaving = hot.turn('k', caller.signal);
  const last = hot.turn('k', never);
  caller.abort(new Error('hung up'));
  await expect(leaving).rejects.toThrow('hung up');
  first[Symbol.dispose]();
  (await last)[Symbol.dispose]();
  expect(hot.isHot('k')).toBe(false);
});

test('waits a second at most, and then goes on without a turn', async () => {
  const hot = new HotKeys();
  const holder = await hot.turn('k', never);
  const started = performance.now();
  const impatient = await hot.turn('k', never);
  expect(performance.now() - started).toBeGreaterThan(900);
  impatient[Symbol.dispose]();
  expect(hot.isHot('k')).toBe(true);
  holder[Symbol.dispose]();
  holder[Symbol.dispose]();
  expect(hot.isHot('k')).toBe(false);
});

import { expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { Lanes } from './lanes.ts';

/** Work that ends when told to. */
const workshop = (): {
  readonly running: string[];
  readonly work: (item: string) => Promise<void>;
  readonly finish: (item: string) => Promise<void>;
} => {
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    running,
    work: async (item) => {
      running.push(item);
      await new Promise<void>((resolve) => ends.set(item, resolve));
      running.splice(running.indexOf(item), 1);
    },
    finish: async (item) => {
      ends.get(item)?.();
      await eventually(`${item} is done`, () => !running.includes(item));
    },
  };
};

test('begins at once while there is room, one per key', () => {
  const { running, work } = workshop();
  const lanes = new Lanes(2, work);
  for (const item of ['a1', 'a2', 'b1', 'c1']) lanes.push(item.charAt(0), item);
  expect(running).toEqual(['a1', 'b1']);
});

test('gives a free place to the key that waits longest', async () => {
  const { running, work, finish } = workshop();
  const lanes = new Lanes(1, work);
  for (const item of ['a1', 'a2', 'b1']) lanes.push(item.charAt(0), item);
  await finish('a1');
  expect(running).toEqual(['b1']);
  await finish('b1');
  expect(running).toEqual(['a2']);
  await finish('a2');
  await lanes.idle();
});

test('gives back what has not begun, and is idle when the rest is done', async () => {
  const { running, work, finish } = workshop();
  const lanes = new Lanes(1, work);
  for (const item of ['a1', 'a2', 'b1']) lanes.push(item.charAt(0), item);
  expect([...lanes.clear()].toSorted()).toEqual(['a2', 'b1']);
  let idle = false;
  const waiting = lanes.idle().then(() => {
    idle = true;
  });
  await Promise.resolve();
  expect(idle).toBe(false);
  await finish('a1');
  await waiting;
  expect(running).toEqual([]);
  lanes.push('b', 'b2');
  expect(running).toEqual(['b2']);
});

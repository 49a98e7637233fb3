import { describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { Batcher } from './batcher.ts';
import type { BatcherOptions } from './batcher.ts';

const never = new AbortController().signal;
const options: BatcherOptions<string> = { windowMs: 0, maxItems: 100, maxPending: 1_000 };

/** A flush that keeps what it was given, and ends when the test opens the gate. */
const recorder = () => {
  const batches: (readonly string[])[] = [];
  let gate = Promise.resolve();
  let open = (): void => undefined;
  return {
    batches,
    hold: () => {
      const held = Promise.withResolvers<undefined>();
      gate = held.promise.then(() => undefined);
      open = () => {
        held.resolve(undefined);
      };
    },
    release: () => {
      open();
    },
    flush: async (items: readonly string[]) => {
      batches.push(items);
      await gate;
    },
  };
};

test('what comes in one turn of the event loop is one flush, in order', async () => {
  const { batches, flush } = recorder();
  const batcher = new Batcher(flush, options);
  await Promise.all(['a', 'b', 'c'].map((item) => batcher.add(item)));
  await batcher.add('d');
  expect(batches).toEqual([['a', 'b', 'c'], ['d']]);
});

test('collects for its window, and no longer than until it is full', async () => {
  await using _ = leakCheck();
  const { batches, flush } = recorder();
  const batcher = new Batcher(flush, { ...options, windowMs: 60_000, maxItems: 2 });
  await Promise.all([batcher.add('a'), batcher.add('b')]);
  expect(batches).toEqual([['a', 'b']]);

  const soon = new Batcher(flush, { ...options, windowMs: 20 });
  const first = soon.add('c');
  await new Promise((resolve) => {
    setTimeout(resolve, 2);
  });
  await Promise.all([first, soon.add('d')]);
  expect(batches).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ]);
});

test('one flush at a time, none larger than its bound; what comes meanwhile waits together', async () => {
  const { batches, flush, hold, release } = recorder();
  const batcher = new Batcher(flush, { ...options, maxItems: 3 });
  hold();
  const added = [batcher.add('a')];
  await eventually('the first flush runs', () => batches.length === 1);
  added.push(...['b', 'c', 'd', 'e'].map((item) => batcher.add(item)));
  expect(batcher.pending).toBe(4);
  release();
  await Promise.all(added);
  expect(batches).toEqual([['a'], ['b', 'c', 'd'], ['e']]);
});

test('a flush that fails is told to those in it and to nobody else', async () => {
  const batcher = new Batcher<string>((items) => {
    if (items.includes('bad')) throw new Error('refused');
    return Promise.resolve();
  }, options);
  const results = await Promise.allSettled([batcher.add('good'), batcher.add('bad')]);
  expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);
  await expect(batcher.add('good')).resolves.toBeUndefined();
});

test('refuses what is beyond its bound and goes on after it', async () => {
  const { batches, flush } = recorder();
  const batcher = new Batcher(flush, { ...options, maxPending: 2 });
  const taken = [batcher.add('a'), batcher.add('b')];
  await expect(batcher.add('c')).rejects.toMatchObject({ code: 'exhausted' });
  await Promise.all(taken);
  await batcher.add('d');
  expect(batches).toEqual([['a', 'b'], ['d']]);
});

test('a newer item of a key takes the place of the older, and both callers hear of it', async () => {
  const { batches, flush } = recorder();
  const batcher = new Batcher(flush, { ...options, maxPending: 2, key: (item) => item.slice(0, 1) });
  await Promise.all([batcher.add('a1'), batcher.add('b1'), batcher.add('a2')]);
  expect(batches).toEqual([['b1', 'a2']]);
});

describe('closing', () => {
  test('flushes what waits without its window, then takes no more', async () => {
    await using _ = leakCheck();
    const { batches, flush } = recorder();
    const batcher = new Batcher(flush, { ...options, windowMs: 60_000 });
    const added = batcher.add('a');
    await batcher.close(never);
    await added;
    expect(batches).toEqual([['a']]);
    await expect(batcher.add('b')).rejects.toMatchObject({ code: 'unavailable' });
    await batcher.close(never);
  });

  test('aborts the flush that runs when its time is over, and rejects the rest', async () => {
    let running = false;
    const batcher = new Batcher<string>(
      (_, signal) =>
        new Promise((__, reject) => {
          running = true;
          signal.addEventListener('abort', () => {
            reject(new Error('flush aborted'));
          });
        }),
      options,
    );
    const controller = new AbortController();
    const first = batcher.add('a');
    const firstEnd = expect(first).rejects.toThrow('flush aborted');
    await eventually('the flush runs', () => running);
    const secondEnd = expect(batcher.add('b')).rejects.toThrow('no time');
    const closed = batcher.close(controller.signal);
    controller.abort(new Error('no time'));
    await Promise.all([closed, firstEnd, secondEnd]);
  });
});

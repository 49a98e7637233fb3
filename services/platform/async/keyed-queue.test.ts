import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyedQueue } from './keyed-queue.ts';

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

test('starts at once where nothing is ahead', () => {
  const queue = new KeyedQueue<string>();
  let started = false;
  void queue.run('a', () => {
    started = true;
    return Promise.resolve();
  });
  expect(started).toBe(true);
});

test('runs one at a time per key, in order, and keys side by side', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), turns: fc.nat(3), fails: fc.boolean() }), {
        maxLength: 20,
      }),
      async (jobs) => {
        const queue = new KeyedQueue<string>();
        const running = new Map<string, number>();
        const order: number[] = [];
        const runs = jobs.map(({ key, turns, fails }, at) =>
          queue.run(key, async () => {
            running.set(key, (running.get(key) ?? 0) + 1);
            expect(running.get(key)).toBe(1);
            order.push(at);
            for (let left = turns; left > 0; left -= 1) await turn();
            running.set(key, 0);
            if (fails) throw new Error(`job ${at.toString()}`);
            return at;
          }),
        );
        const results = await Promise.allSettled(runs);
        await queue.idle();
        expect(queue.size).toBe(0);
        expect(results.map((result) => result.status === 'rejected')).toEqual(jobs.map((job) => job.fails));
        for (const key of ['a', 'b', 'c']) {
          const own = order.filter((at) => jobs[at]?.key === key);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('a stuck key holds up no other', async () => {
  const queue = new KeyedQueue<string>();
  const stuck = Promise.withResolvers<string>();
  const first = queue.run('stuck', () => stuck.promise);
  const second = queue.run('stuck', () => Promise.resolve('second'));
  await expect(queue.run('free', () => Promise.resolve('free'))).resolves.toBe('free');
  stuck.resolve('first');
  await expect(Promise.all([first, second])).resolves.toEqual(['first', 'second']);
});

test('work that throws before its first await rejects its own promise only', async () => {
  const queue = new KeyedQueue<string>();
  const bad = queue.run('a', () => {
    throw new Error('at once');
  });
  const good = queue.run('a', () => Promise.resolve('good'));
  await expect(bad).rejects.toThrow('at once');
  await expect(good).resolves.toBe('good');
});

test('who gives up waiting is rejected at once, its work never starts, and the order of the others holds', async () => {
  const queue = new KeyedQueue<string>();
  const gate = Promise.withResolvers<undefined>();
  const order: string[] = [];
  const first = queue.run('a', async () => {
    await gate.promise;
    order.push('first');
  });
  const controller = new AbortController();
  const second = queue.run('a', () => Promise.resolve(order.push('second')), controller.signal);
  const third = queue.run('a', () => Promise.resolve(order.push('third')));
  controller.abort(new Error('gave up'));
  await expect(second).rejects.toThrow('gave up');
  await turn();
  expect(order).toEqual([]);
  gate.resolve(undefined);
  await Promise.all([first, third]);
  expect(order).toEqual(['first', 'third']);
});

test('is idle only once what was queued meanwhile is through, and the waiting can be given up', async () => {
  const queue = new KeyedQueue<string>();
  const gate = Promise.withResolvers<undefined>();
  let later = false;
  const first = queue.run('a', async () => {
    await gate.promise;
    void queue.run('b', async () => {
      await turn();
      later = true;
    });
  });
  await expect(queue.idle(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  const idle = queue.idle();
  gate.resolve(undefined);
  await Promise.all([first, idle]);
  expect(later).toBe(true);
});

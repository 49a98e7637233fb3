import { expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

/** Runs a loop over passes that are counted and may fail or wait. */
const rig = (intervalMs: number, pass: (n: number) => Promise<void> = () => Promise.resolve()) => {
  const counted = { passes: 0 };
  const log = new MemoryLog();
  const run = async (): Promise<void> => {
    counted.passes += 1;
    await pass(counted.passes);
  };
  const loop = new ReconcileLoop({ run }, intervalMs, log);
  const halt = new AbortController();
  const running = loop.run(halt.signal);
  const end = async (): Promise<void> => {
    halt.abort();
    await running;
  };
  return { loop, counted, log, [Symbol.asyncDispose]: end };
};

test('reconciles at the start and then once per interval', async () => {
  await using one = rig(20);
  await eventually('three passes', () => one.counted.passes === 3);
});

test('reconciles at once when something may have been missed, and again when told so during a pass', async () => {
  const gate = Promise.withResolvers<void>();
  await using one = rig(60_000, (n) => (n === 2 ? gate.promise : Promise.resolve()));
  await eventually('the first pass', () => one.counted.passes === 1);
  one.loop.soon();
  await eventually('the second pass', () => one.counted.passes === 2);
  one.loop.soon();
  one.loop.soon();
  gate.resolve();
  await eventually('the third pass', () => one.counted.passes === 3);
});

test('tries again soon after a failure, and says when it works again', async () => {
  await using one = rig(60_000, (n) => (n === 1 ? Promise.reject(new Error('topology is away')) : Promise.resolve()));
  await eventually('it works again', () => one.log.messages('info').includes('reconciled with topology again'));
  expect(one.counted.passes).toBe(2);
});

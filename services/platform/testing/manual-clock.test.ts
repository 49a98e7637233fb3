import { expect, test } from 'vitest';
import { ManualClock } from './manual-clock.ts';

const never = new AbortController().signal;

test('time stands still until it is told to pass', async () => {
  const clock = new ManualClock(1_000);
  let woke = false;
  const slept = clock.sleep(10, never).then(() => {
    woke = true;
  });
  await clock.advance(9);
  expect([clock.now(), woke]).toEqual([1_009, false]);
  await clock.advance(1);
  await slept;
  expect([clock.now(), woke, clock.sleeping]).toEqual([1_010, true, 0]);
});

test('sleepers wake in the order they are due, at their time, also those that fall asleep meanwhile', async () => {
  const clock = new ManualClock(0);
  const woke: string[] = [];
  const ticking = (async () => {
    for (let round = 0; round < 3; round += 1) {
      await clock.sleep(10, never);
      woke.push(`tick ${clock.now().toString()}`);
    }
  })();
  const once = clock.sleep(15, never).then(() => woke.push(`once ${clock.now().toString()}`));
  await clock.advance(35);
  await Promise.all([ticking, once]);
  expect(woke).toEqual(['tick 10', 'once 15', 'tick 20', 'tick 30']);
  expect(clock.now()).toBe(35);
});

test('an aborted signal ends the sleep', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const slept = clock.sleep(10, controller.signal);
  controller.abort(new Error('woken'));
  await expect(slept).rejects.toThrow('woken');
  expect(clock.sleeping).toBe(0);
  await expect(clock.sleep(10, controller.signal)).rejects.toThrow('woken');
});

import { expect, test } from 'vitest';
import { fineClock } from './clock.ts';

const epoch = 1_800_000_000_000;

test('is as fine as the steady clock and never leaves the millisecond of the wall clock', () => {
  let time = 0;
  const now = fineClock({ steady: () => time, wall: () => epoch + Math.floor(time) }, epoch);
  for (const at of [0.25, 0.5, 3.75]) {
    time = at;
    expect(now()).toBe(epoch + at);
  }
});

test('follows a wall clock that drifts, and one that is set', () => {
  let time = 0;
  let drift = 0;
  const now = fineClock({ steady: () => time, wall: () => Math.floor(epoch + time + drift) }, epoch);
  for (let step = 0; step < 1_000; step += 1) {
    time += 10;
    drift += 0.05;
    const truth = epoch + time + drift;
    expect(Math.abs(now() - truth)).toBeLessThan(1);
  }
  drift = -3_600_000;
  expect(Math.abs(now() - (epoch + time + drift))).toBeLessThan(1);
});

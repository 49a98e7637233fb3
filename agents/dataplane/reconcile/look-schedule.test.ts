import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LookSchedule } from './look-schedule.ts';

const TIMING = { settleMs: 1_000, auditIntervalMs: 30_000, auditSpacingMs: 5_000, startGraceMs: 0 };

let schedule: LookSchedule;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  schedule = new LookSchedule(TIMING, () => undefined);
});

afterEach(() => {
  schedule.stop();
  vi.useRealTimers();
});

/** Milliseconds until a look is due, while something changes that often. */
const untilDue = (changeEveryMs = Infinity): number => {
  const from = Date.now();
  for (let ms = 0; ms < 60_000; ms += 10) {
    if (schedule.isDue) return Date.now() - from;
    if (ms > 0 && ms % changeEveryMs === 0) schedule.changed(false);
    vi.advanceTimersByTime(10);
  }
  return Infinity;
};

test('what was changed is looked at when it has been quiet for about the time that it takes to settle', () => {
  schedule.changed(false);
  const ms = untilDue();
  expect(ms).toBeGreaterThanOrEqual(750);
  expect(ms).toBeLessThanOrEqual(1_260);
});

test('what never rests is looked at in about the interval, and not at one moment by all who hear the same', () => {
  const times = Array.from({ length: 8 }, () => {
    schedule = new LookSchedule(TIMING, () => undefined);
    schedule.begun();
    schedule.rest();
    return untilDue(70);
  });
  // The first change comes after 70 ms.
  for (const ms of times) {
    expect(ms).toBeGreaterThanOrEqual(22_570);
    expect(ms).toBeLessThanOrEqual(37_580);
  }
  expect(new Set(times).size).toBeGreaterThan(1);
});

test('a suspicion waits for the spacing of looks, what is in doubt does not, and a look ends both', () => {
  schedule.begun();
  schedule.rest();
  schedule.suspect('drift');
  expect(schedule.cause).toBe('drift');
  expect(untilDue()).toBe(5_000);
  schedule.begun();
  schedule.rest();
  expect(schedule.cause).toBe('periodic');
  expect(schedule.isDue).toBe(false);
  schedule.again('advice');
  expect([schedule.isDue, schedule.cause]).toEqual([true, 'advice']);
});

test('a change beside a failure does not put off what is tried again', () => {
  schedule.retry(1);
  schedule.changed(true);
  expect(untilDue()).toBeLessThanOrEqual(210);
});

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Later } from './later.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('what waits is done together, in order, and only once', () => {
  const later = new Later();
  const done: string[] = [];
  later.push(() => done.push('first'));
  vi.advanceTimersByTime(15);
  later.push(() => done.push('second'));
  vi.advanceTimersByTime(4);
  expect(done).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(done).toEqual(['first', 'second']);
  vi.advanceTimersByTime(100);
  expect(done).toEqual(['first', 'second']);
});

test('a flush does at once what waits, and leaves no timer behind', () => {
  const later = new Later();
  const done: string[] = [];
  later.push(() => done.push('told'));
  later.flush();
  expect(done).toEqual(['told']);
  expect(vi.getTimerCount()).toBe(0);
});

test('what is pushed by work that is done has its own turn', () => {
  const later = new Later();
  const done: string[] = [];
  later.push(() => {
    done.push('outer');
    later.push(() => done.push('inner'));
  });
  vi.advanceTimersByTime(20);
  expect(done).toEqual(['outer']);
  vi.advanceTimersByTime(20);
  expect(done).toEqual(['outer', 'inner']);
});

import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { backoffMs } from './backoff.ts';
import { withDeadline } from './deadline.ts';
import { sleep } from './sleep.ts';

const never = new AbortController().signal;

/** Work that listens to its signal and to nothing else. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('the work noticed'));
    });
  });

describe('sleep', () => {
  test('lasts as long as told', async () => {
    const began = performance.now();
    await sleep(20, never);
    expect(performance.now() - began).toBeGreaterThan(18);
  });

  test('ends with the signal, its reason, and no timer or listener left', async () => {
    await using _ = leakCheck();
    const controller = new AbortController();
    const slept = sleep(60_000, controller.signal);
    controller.abort(new Error('woken'));
    await expect(slept).rejects.toThrow('woken');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('does not begin after the signal aborted', async () => {
    await expect(sleep(60_000, AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  });
});

describe('a deadline', () => {
  test('does not show when the work is in time', async () => {
    await using _ = leakCheck();
    await expect(withDeadline(60_000, never, () => Promise.resolve('done'))).resolves.toBe('done');
  });

  test('is a DomainError that wins over what the work makes of its signal', async () => {
    await expect(withDeadline(5, never, untilAborted)).rejects.toMatchObject({
      code: 'deadline',
      message: 'not done within 5 ms',
    });
  });

  test('holds for work that does not listen', async () => {
    await expect(withDeadline(5, never, () => new Promise(() => undefined))).rejects.toMatchObject({
      code: 'deadline',
    });
  });

  test('gives way to the signal, whose reason it passes on to the work', async () => {
    await using _ = leakCheck();
    const controller = new AbortController();
    let seen: unknown;
    const work = withDeadline(60_000, controller.signal, (signal) => {
      signal.addEventListener('abort', () => {
        seen = signal.reason;
      });
      return untilAborted(signal);
    });
    controller.abort('cancelled');
    await expect(work).rejects.toBe('cancelled');
    expect(seen).toBe('cancelled');
  });

  test('lets the error of the work through, thrown early or late', async () => {
    const early = (): Promise<never> => {
      throw new Error('at once');
    };
    await expect(withDeadline(1_000, never, early)).rejects.toThrow('at once');
    await expect(withDeadline(1_000, never, () => Promise.reject(new Error('later')))).rejects.toThrow('later');
  });
});

describe('backoff', () => {
  const options = { baseMs: 100, maxMs: 10_000 };

  test('doubles up to its ceiling', () => {
    expect([0, 1, 2, 6, 7, 8, 5_000].map((attempt) => backoffMs(attempt, options, () => 1))).toEqual([
      100, 200, 400, 6_400, 10_000, 10_000, 10_000,
    ]);
  });

  test('stays in the upper half of its ceiling, spread by chance', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, chance) => {
        const ceiling = backoffMs(attempt, options, () => 1);
        const ms = backoffMs(attempt, options, () => chance);
        expect(ms).toBeGreaterThanOrEqual(ceiling / 2);
        expect(ms).toBeLessThanOrEqual(ceiling);
      }),
    );
    expect(backoffMs(3, options, () => 0)).not.toBe(backoffMs(3, options, () => 0.5));
  });
});

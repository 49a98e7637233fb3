import { expect, test } from 'vitest';
import { atOnce } from '#platform/testing/at-once.ts';
import { inTurns, type InTurns } from './turns.ts';

const never = new AbortController().signal;

/** Takes 2 ms per step, and tells how often others had their turn meanwhile. */
function* steps(count: number): InTurns<number> {
  let others = 0;
  const other = setInterval(() => {
    others += 1;
  }, 0);
  try {
    for (let step = 0; step < count; step += 1) {
      const until = performance.now() + 2;
      while (performance.now() < until);
      yield;
    }
    return others;
  } finally {
    clearInterval(other);
  }
}

test('others have their turn between the turns of long work, and none while it is done at once', async () => {
  expect(await inTurns(steps(20), never)).toBeGreaterThanOrEqual(2);
  expect(atOnce(steps(20))).toBe(0);
});

test('ends with the reason of the signal, and short work is done before that is looked at', async () => {
  const reason = new Error('enough');
  await expect(inTurns(steps(20), AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(await inTurns(steps(1), AbortSignal.abort(reason))).toBe(0);
});

import { expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { BackgroundLoop } from './background-loop.ts';

const never = new AbortController().signal;
const unexpected = (error: Error): void => {
  throw error;
};

test('runs from start to stop, and the stop is not a failure', async () => {
  await using _ = leakCheck();
  let rounds = 0;
  const loop = new BackgroundLoop(
    'loop',
    async (signal) => {
      for (;;) {
        rounds += 1;
        await sleep(1, signal);
      }
    },
    unexpected,
  );
  expect(rounds).toBe(0);
  await loop.start();
  await eventually('some rounds', () => rounds > 2);
  await loop.stop(never);
  const after = rounds;
  await sleep(10, never);
  expect(rounds).toBe(after);
  await loop.stop(never);
});

test.each([
  [
    'throws at once',
    (): Promise<void> => {
      throw new Error('broken');
    },
    'broken',
  ],
  ['rejects', () => Promise.reject(new Error('broken')), 'broken'],
  ['returns', () => Promise.resolve(), 'loop ended although nobody stopped it'],
])('a body that %s before the stop is fatal, once', async (_, body, message) => {
  const errors: string[] = [];
  const loop = new BackgroundLoop('loop', body, (error) => errors.push(error.message));
  await loop.start();
  await eventually('it is told', () => errors.length > 0);
  await loop.stop(never);
  expect(errors).toEqual([message]);
});

test('the stop waits for the body, but no longer than its signal', async () => {
  const loop = new BackgroundLoop('loop', () => new Promise(() => undefined), unexpected);
  await loop.start();
  const controller = new AbortController();
  const stopped = loop.stop(controller.signal);
  controller.abort(new Error('enough'));
  await expect(stopped).rejects.toThrow('enough');
});

import { expect, test } from 'vitest';
import { ManualClock } from '#platform/testing/manual-clock.ts';
import { type IdempotentRequest, withRequestId } from './idempotency.ts';
import { MemoryStore } from './memory-store.ts';
import type { Collection } from './store.ts';

const never = new AbortController().signal;
const counters: Collection<number> = { name: 'counter', encode: (count) => count.toString(), decode: Number };
const id = '0f0e0d0c-0b0a-4908-8706-050403020100';
const request: IdempotentRequest = { requestId: id, method: 'CreatePort', body: 'a port' };

const open = (): {
  readonly clock: ManualClock;
  readonly ask: (request: IdempotentRequest) => Promise<string>;
  readonly counted: () => Promise<number>;
} => {
  const clock = new ManualClock();
  const store = new MemoryStore('test', clock);
  return {
    clock,
    ask: (asked) =>
      store.transact(
        (tx) =>
          withRequestId(tx, asked, async () => {
            const counter = await tx.get(counters, 'c');
            const count = (counter?.value ?? 0) + 1;
            if (asked.body === 'a bad port') throw new Error('refused');
            tx.put(counters, 'c', count, counter?.version ?? 'absent');
            return JSON.stringify({ count });
          }),
        never,
      ),
    counted: async () => (await store.get(counters, 'c', never))?.value ?? 0,
  };
};

test('the same request is done once and answered alike, in any spelling of its id', async () => {
  const { ask, counted } = open();
  const answers = [await ask(request), await ask(request), await ask({ ...request, requestId: id.toUpperCase() })];
  expect(answers).toEqual(['{"count":1}', '{"count":1}', '{"count":1}']);
  expect(await counted()).toBe(1);
});

test('the same request asked many times at once is done once', async () => {
  const { ask, counted } = open();
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(request)));
  expect(new Set(answers)).toEqual(new Set(['{"count":1}']));
  expect(await counted()).toBe(1);
});

test('bytes and text of the same content are the same request', async () => {
  const { ask, counted } = open();
  await ask(request);
  await ask({ ...request, body: new TextEncoder().encode('a port') });
  expect(await counted()).toBe(1);
});

test('without an id each request is done', async () => {
  const { ask, counted } = open();
  await ask({ ...request, requestId: '' });
  await ask({ ...request, requestId: '' });
  expect(await counted()).toBe(2);
});

test.each([{ body: 'another port' }, { method: 'DeletePort' }])(
  'an id used again with %j is refused',
  async (other) => {
    const { ask, counted } = open();
    await ask(request);
    await expect(ask({ ...request, ...other })).rejects.toMatchObject({
      code: 'invalid',
      reason: 'REQUEST_ID_REUSED',
      violations: [{ field: 'request_id' }],
    });
    expect(await counted()).toBe(1);
  },
);

test.each(['1', 'not-a-uuid', `${id}0`, `{${id}}`, id.replaceAll('-', '')])(
  '%s is no request id',
  async (requestId) => {
    const { ask } = open();
    await expect(ask({ ...request, requestId })).rejects.toMatchObject({ violations: [{ field: 'request_id' }] });
  },
);

test('a request that failed may be asked again under its id, mended or not', async () => {
  const { ask } = open();
  await expect(ask({ ...request, body: 'a bad port' })).rejects.toThrow('refused');
  expect(await ask(request)).toBe('{"count":1}');
});

test('an id is free again after a day', async () => {
  const { ask, clock, counted } = open();
  await ask(request);
  await clock.advance(24 * 3_600_000 - 1);
  await ask(request);
  expect(await counted()).toBe(1);
  await clock.advance(1);
  await ask(request);
  expect(await counted()).toBe(2);
});

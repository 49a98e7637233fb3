import path from 'node:path';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#platform/async/clock.ts';
import { nullLog } from '#platform/log/log.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import { MemoryStore } from '#platform/store/memory-store.ts';
import { startRedis, temporaryDirectory } from '../../../test/support/real-servers.ts';
import { guardId } from '../app/lease-book.ts';
import type { LeaseBook, LeaseRequest } from '../app/lease-book.ts';
import type { LeaseKey } from '../domain/lease-key.ts';
import type { Space, Want } from '../domain/leasing.ts';
import { MemoryLeaseBook } from '../testing/memory-lease-book.ts';
import { records } from './collections.ts';
import { chosen, key, leaseBookContract, never, next, numbers, request, space } from './lease-book.contract.ts';
import { RedisLeaseBook } from './redis-lease-book.ts';

const stack = new AsyncDisposableStack();
let redis: RedisConnection;

beforeAll(async () => {
  const dir = stack.use(await temporaryDirectory());
  const server = stack.use(await startRedis(path.join(dir.path, 'redis'), { fsync: 'no' }));
  redis = new RedisConnection({ url: server.url }, nullLog);
  await redis.start(never);
  stack.defer(() => redis.stop());
});

afterAll(() => stack.disposeAsync());

/** A partition of its own for each: what others have left does not show. */
const open = () => {
  const partition = `t-${randomUUID()}`;
  const store = new RedisStore(redis, partition);
  return { partition, store, book: (family: LeaseBook['family']) => new RedisLeaseBook(redis, partition, family) };
};

describe('keeps the contract', () => {
  leaseBookContract(() => Promise.resolve(open()));
});

describe('agrees with the plain model on every schedule', () => {
  const layouts: readonly Space[] = [space('s', [1, 6]), space('s', [4, 6], [1, 2]), space('s', [3, 9]), space('s')];
  const holder = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const want = fc.oneof(
    fc.constantFrom(next(0), next(1), next(0, 1), next(1, 0)),
    fc.integer({ min: 1, max: 9 }).map((last) => chosen(last)),
    fc.integer({ min: 11, max: 14 }).map((last) => chosen(last, 1)),
    fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1 }).map((keys): Want => ({
      kind: 'any',
      from: [0],
      keys: keys.map(key),
    })),
  );
  // Two wants for one key would be met by one lease; the callers refuse that.
  const wants = fc.uniqueArray(want, { minLength: 1, maxLength: 3, selector: (item) => JSON.stringify(item) });
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('take' as const),
        holder,
        wants,
        single: fc.boolean(),
        dry: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('drop' as const),
        holder,
        keys: fc.array(fc.integer({ min: 1, max: 14 }), { maxLength: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('change' as const), layout: fc.integer({ min: 0, max: 3 }) }) },
  );

  test('allocating, choosing, releasing, changing ranges', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const { partition, ...fixture } = open();
        const real = fixture.book('address');
        const model = new MemoryLeaseBook(new MemoryStore('m', systemClock), 'address');
        let first = layouts[0] ?? space('s');
        for (const done of steps) {
          if (done.do === 'change') {
            first = layouts[done.layout] ?? first;
            continue;
          }
          const both = await Promise.all(
            [real, model].map((book) =>
              done.do === 'take'
                ? book.allocate(
                    request(done.holder, [first, space('t', [11, 13])], {
                      wants: done.wants,
                      single: done.single,
                      dryRun: done.dry,
                    }),
                    never,
                  )
                : book.release(
                    {
                      holder: done.holder,
                      group: undefined,
                      filters: done.keys.map((last) => ({ key: key(last) })),
                      dryRun: false,
                      request: { requestId: '', method: '', body: '' },
                    },
                    never,
                  ),
            ),
          );
          expect(both[0]).toEqual(both[1]);
        }
        const held = await Promise.all(
          [real, model].map(async (book) =>
            (await book.leasesOf('s', { after: undefined, limit: 99 }, never)).map(({ lease }) => lease),
          ),
        );
        expect(held[0]).toEqual(held[1]);
        const keys = held[0]?.map((lease) => lease.key) ?? [];
        expect(new Set(keys).size).toBe(keys.length);
        // Nothing that is held waits among the released: many such would have to be passed by, one by one.
        const released = await redis.run(
          (client) => client.zrange(`weft:{${partition}}:l:address:f:s`, 0, '-1'),
          never,
        );
        expect(released.filter((one) => keys.some((held) => held === one))).toEqual([]);
      }),
      { numRuns: 120 },
    );
  });
});

test('walks over thousands of held keys in several runs, and gives none of them again', async () => {
  const book = open().book('address');
  const spaces = [space('s', [1, 5_000])];
  const take = async (holder: string, more: Partial<LeaseRequest>) =>
    numbers(await book.allocate(request(holder, spaces, more), never));
  for (let from = 1; from <= 4_500; from += 500) {
    await take(`chooser${from.toString()}`, { wants: Array.from({ length: 500 }, (_, at) => chosen(from + at)) });
  }
  await take('chooser', { wants: [chosen(4_700)] });
  const twice = await take('a', { wants: [chosen(4_600), next(), next()] });
  expect(twice).toEqual([4_600, 4_501, 4_502]);
  const rest = await take('b', { wants: Array.from({ length: 496 }, () => next()) });
  expect(rest).toHaveLength(496);
  expect(new Set([rest].flat()).size).toBe(496);
  expect(rest).not.toContain(4_600);
  expect(rest).not.toContain(4_700);
  expect(await take('c', {})).toBe('full');
});

test('what is planned when a run is interrupted comes back into the pool', async () => {
  const book = open().book('address');
  const spaces = [space('s', [1, 3_000])];
  const take = async (holder: string, wants: readonly Want[]) =>
    numbers(await book.allocate(request(holder, spaces, { wants }), never));
  // All but 1, 2 and the last are held: the first two are found at once, the third only after more than one run.
  for (let from = 3; from < 3_000; from += 333) {
    await take(
      'chooser',
      Array.from({ length: Math.min(333, 3_000 - from) }, (_, at) => chosen(from + at)),
    );
  }
  const given = await take('a', [next(), next(), next()]);
  expect(new Set([given].flat())).toEqual(new Set([1, 2, 3_000]));
  expect(await take('b', [next()])).toBe('full');
});

test('takes addresses of IPv6 one by one, past what a number can hold', async () => {
  const book = open().book('address');
  const at = (digits: string): LeaseKey => `6${digits.padStart(32, '0')}` as LeaseKey;
  const wide: Space = {
    id: 'w',
    ranges: [{ first: at('20010db8000000000000000fffffffe'), last: at('2001'.padEnd(31, 'f')) }],
  };
  const outcome = await book.allocate(request('a', [wide], { wants: [next(), next(), next()] }), never);
  expect(outcome.kind === 'held' && outcome.leases.map((lease) => lease.key)).toEqual([
    at('20010db8000000000000000fffffffe'),
    at('20010db8000000000000000ffffffff'),
    at('20010db80000000000000010000000 0'.replaceAll(' ', '')),
  ]);
});

test('the size of a space costs nothing', async () => {
  const book = open().book('address');
  const slash8 = [space('s', [1, 0xff_ff_fe])];
  const began = performance.now();
  for (let at = 0; at < 300; at += 1) await book.allocate(request(`h${at.toString()}`, slash8), never);
  // Redis answers in a fraction of a millisecond; a search of the space would take seconds.
  expect((performance.now() - began) / 300).toBeLessThan(5);
});

test('a release that is overtaken by a lease in another space takes that too', async () => {
  const { partition, book } = open();
  const first = book('address');
  const spaces = [space('s', [1, 9]), space('t', [11, 19])];
  await first.allocate(request('a', spaces), never);
  let runs = 0;
  const overtaken = new RedisLeaseBook(
    {
      run: async (command, signal) => {
        const answer = await redis.run(command, signal);
        runs += 1;
        // Between looking where the holder has leases and taking them away.
        if (runs === 1) await first.allocate(request('a', spaces, { wants: [next(1)] }), never);
        return answer;
      },
    },
    partition,
    'address',
  );
  const release = { holder: 'a', group: undefined, filters: [], dryRun: false };
  const gone = await overtaken.release({ ...release, request: { requestId: '', method: '', body: '' } }, never);
  expect(gone.map((lease) => lease.key)).toEqual([key(1), key(11)]);
  expect(await first.leasesBy('a', { after: undefined, limit: 9 }, never)).toEqual([]);
});

test('a guard that was deleted and is bumped again does not end by itself', async () => {
  const { partition, store, book } = open();
  const id = guardId('address', 's');
  const take = () =>
    book('address').allocate(
      request('a', [space('s', [1, 9]), space('t', [1, 9])], {
        fence: { collection: 'network', id: 'n', version: 0 },
        wants: [next(), next()],
      }),
      never,
    );
  await take();
  await book('address').release(
    { holder: 'a', group: undefined, filters: [], dryRun: false, request: { requestId: '', method: '', body: '' } },
    never,
  );
  await store.transact(async (tx) => {
    const guard = await tx.get(records.guards, id);
    if (guard !== undefined) tx.delete(records.guards, id, guard.version);
  }, never);
  await take();
  expect(await redis.run((client) => client.ttl(`weft:{${partition}}:r:guard:${id}`), never)).toBe(-1);
});

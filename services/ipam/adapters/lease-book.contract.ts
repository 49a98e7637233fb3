import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Store } from '#platform/store/store.ts';
import { guardId } from '../app/lease-book.ts';
import type { LeaseBook, LeaseFamily, LeaseOutcome, LeaseRequest } from '../app/lease-book.ts';
import { isLeaseKey } from '../domain/lease-key.ts';
import type { LeaseKey } from '../domain/lease-key.ts';
import type { Space, Want } from '../domain/leasing.ts';
import { records } from './collections.ts';

/** Books and the store of their fences, with nothing in them. */
export interface BookFixture {
  readonly store: Store;
  book(family: LeaseFamily): LeaseBook;
}

export const never = new AbortController().signal;

/** The key of an IPv4 address that ends in this number, up to 2^24. */
export const key = (last: number): LeaseKey => {
  const text = `4${(0x0a00_0000 + last).toString(16).padStart(8, '0')}`;
  if (!isLeaseKey(text)) throw new Error(`${text} is no key`);
  return text;
};

/** A space of ranges of such numbers. */
export const space = (id: string, ...ranges: readonly (readonly [number, number])[]): Space => ({
  id,
  ranges: ranges.map(([first, last]) => ({ first: key(first), last: key(last) })),
});

export const next = (...from: readonly number[]): Want => ({ kind: 'next', from: from.length === 0 ? [0] : from });
export const chosen = (last: number, from = 0): Want => ({ kind: 'chosen', from: [from], key: key(last) });

/** A request for one next key, but for what is said otherwise. */
export const request = (holder: string, spaces: readonly Space[], more: Partial<LeaseRequest> = {}): LeaseRequest => ({
  holder,
  group: 'net',
  spaces,
  wants: [next()],
  single: false,
  fence: undefined,
  now: 1_000,
  request: { requestId: '', method: 'Allocate', body: holder },
  dryRun: false,
  ...more,
});

/** Under a fence that holds as long as there is no such record. */
const fenced = { fence: { collection: 'network', id: 'nowhere', version: 0 } };

/** The last numbers of the keys held, as the answer has them; what else it is otherwise. */
export const numbers = (outcome: LeaseOutcome): readonly number[] | string =>
  outcome.kind === 'held'
    ? outcome.leases.map((lease) => Number.parseInt(lease.key.slice(1), 16) - 0x0a00_0000)
    : outcome.kind;

/** What every lease book must do. `open` gives an empty one; how it ends is the caller's business. */
export const leaseBookContract = (open: () => Promise<BookFixture>): void => {
  const start = async () => {
    const fixture = await open();
    const book = fixture.book('address');
    const take = async (holder: string, spaces: readonly Space[], more: Partial<LeaseRequest> = {}) =>
      numbers(await book.allocate(request(holder, spaces, more), never));
    const drop = async (holder: string, ...keys: readonly number[]) => {
      const filters = keys.map((last) => ({ key: key(last) }));
      const body = `${holder} ${keys.join()}`;
      const released = await book.release(
        { holder, group: undefined, filters, request: { requestId: '', method: 'Release', body }, dryRun: false },
        never,
      );
      return numbers({ kind: 'held', leases: released });
    };
    return { ...fixture, other: fixture.book('mac'), book, take, drop };
  };
  const small = [space('s', [1, 3])];

  test('gives what was never given in order, then what was released, the longest released first', async () => {
    const { take, drop } = await start();
    expect(await take('a', small)).toEqual([1]);
    expect(await take('b', small)).toEqual([2]);
    await drop('a');
    expect(await take('c', small)).toEqual([3]);
    await drop('c');
    await drop('b');
    expect(await take('d', small)).toEqual([1]);
    expect(await take('e', small)).toEqual([3]);
    expect(await take('f', small)).toEqual([2]);
    expect(await take('g', small)).toBe('full');
  });

  test('gives a holder what it has already, and adds only what is missing', async () => {
    const { take } = await start();
    const spaces = [space('s', [1, 9]), space('t', [11, 19])];
    expect(await take('a', spaces)).toEqual([1]);
    expect(await take('a', spaces)).toEqual([1]);
    expect(await take('a', spaces, { wants: [next(1), next(0)] })).toEqual([11, 1]);
    expect(await take('a', spaces, { wants: [next(0), next(0)] })).toEqual([1, 2, 11]);
    expect(await take('a', spaces, { wants: [chosen(7), next(0, 1)] })).toEqual([7, 1, 2, 11]);
    expect(await take('a', spaces, { wants: [chosen(2)] })).toEqual([2, 1, 7, 11]);
    expect(await take('b', spaces)).toEqual([3]);
  });

  test('what a holder has in another group counts for nothing', async () => {
    const { take, drop } = await start();
    const spaces = [space('s', [1, 9])];
    expect(await take('a', spaces)).toEqual([1]);
    expect(await take('a', spaces, { group: 'other' })).toEqual([2]);
    expect(await drop('a')).toEqual([1, 2]);
  });

  test('a chosen key is passed over when its turn comes, and rests after its release', async () => {
    const { take, drop } = await start();
    expect(await take('a', small, { wants: [chosen(2)] })).toEqual([2]);
    expect(await take('b', small, { wants: [chosen(2)] })).toBe('taken');
    expect(await take('b', small, { wants: [next(), next()] })).toEqual([1, 3]);
    await drop('b', 1);
    await drop('a');
    expect(await take('c', small)).toEqual([1]);
    expect(await take('c', small, { wants: [chosen(2)] })).toEqual([2, 1]);
    expect(await take('d', small)).toBe('full');
  });

  test('a chosen key may lie outside of the ranges, and does not become one of them', async () => {
    const { take, drop } = await start();
    expect(await take('a', small, { wants: [chosen(77)] })).toEqual([77]);
    expect(await take('b', small, { wants: [chosen(77)] })).toBe('taken');
    await drop('a');
    expect(await take('b', small, { wants: [next(), next(), next()] })).toEqual([1, 2, 3]);
    expect(await take('c', small)).toBe('full');
    expect(await take('c', small, { wants: [chosen(77)] })).toEqual([77]);
    await drop('c');
    expect(await take('d', small)).toBe('full');
  });

  test('goes on in the next space of the list when one is full', async () => {
    const { take } = await start();
    const spaces = [space('s', [1, 1]), space('t', [11, 11])];
    expect(await take('a', spaces, { wants: [next(0, 1)] })).toEqual([1]);
    expect(await take('b', spaces, { wants: [next(0, 1)] })).toEqual([11]);
    expect(await take('c', spaces, { wants: [next(0, 1)] })).toBe('full');
  });

  test('gives all or nothing', async () => {
    const { take, book } = await start();
    const spaces = [space('s', [1, 9]), space('t', [11, 11])];
    expect(await take('a', spaces, { wants: [next(1)] })).toEqual([11]);
    const outcome = await book.allocate(request('b', spaces, { wants: [next(0), next(1)] }), never);
    expect(outcome).toEqual({ kind: 'full', want: 1 });
    const refused = await book.allocate(request('b', spaces, { wants: [next(0), chosen(11, 1)] }), never);
    expect(refused).toEqual({ kind: 'taken', want: 1 });
    expect(await book.leasesBy('b', { after: undefined, limit: 10 }, never)).toEqual([]);
    expect(await take('b', spaces)).toEqual([1]);
  });

  test('meets the choosy wants first, whatever their order', async () => {
    const { take } = await start();
    const spaces = [space('s', [1, 1]), space('t', [11, 11])];
    expect(await take('a', spaces, { wants: [next(0, 1), next(0)] })).toEqual([11, 1]);
    const others = [space('u', [21, 22])];
    expect(await take('a', others, { wants: [next(0), chosen(21)] })).toEqual([22, 21, 1, 11]);
  });

  test('takes ranges in their order', async () => {
    const { take } = await start();
    const spaces = [space('s', [8, 9], [1, 2])];
    expect(await take('a', spaces, { wants: [next(), next(), next(), next()] })).toEqual([8, 9, 1, 2]);
  });

  test('loses and doubles nothing when the ranges change', async () => {
    const { take, drop } = await start();
    expect(await take('a', [space('s', [1, 9])], { wants: [next(), next(), next(), next()] })).toEqual([1, 2, 3, 4]);
    await drop('a', 1);
    expect(await take('b', [space('s', [3, 5])])).toEqual([5]);
    await drop('a', 3);
    expect(await take('c', [space('s', [3, 5])])).toEqual([3]);
    expect(await take('d', [space('s', [3, 5])])).toBe('full');
    const five = { wants: [next(), next(), next(), next(), next()] };
    expect(await take('d', [space('s', [1, 9])], five)).toEqual([1, 6, 7, 8, 9]);
    expect(await take('e', [space('s', [1, 9])])).toBe('full');
  });

  test('a space without ranges is full, but for what is chosen', async () => {
    const { take } = await start();
    expect(await take('a', [space('s')])).toBe('full');
    expect(await take('a', [space('s')], { wants: [chosen(5)] })).toEqual([5]);
  });

  test('any of several keys: the first that is free, or the one it has', async () => {
    const { take } = await start();
    const any = (...keys: readonly number[]): Want => ({ kind: 'any', from: [0], keys: keys.map(key) });
    expect(await take('a', [space('m')], { wants: [any(4, 5)] })).toEqual([4]);
    expect(await take('b', [space('m')], { wants: [any(4, 5)] })).toEqual([5]);
    expect(await take('c', [space('m')], { wants: [any(4, 5)] })).toBe('taken');
    expect(await take('a', [space('m')], { wants: [any(6)] })).toEqual([4]);
  });

  test('a holder that may have one only is told what it has', async () => {
    const { take, book } = await start();
    const single = { single: true };
    const spaces = [space('s', [1, 9]), space('t', [11, 19])];
    expect(await take('a', spaces, single)).toEqual([1]);
    expect(await take('a', spaces, single)).toEqual([1]);
    const asked = request('a', spaces, { ...single, wants: [chosen(7)] });
    expect(await book.allocate(asked, never)).toMatchObject({ kind: 'occupied', lease: { key: key(1), space: 's' } });
    expect(await take('a', spaces, { ...single, wants: [next(1)] })).toBe('occupied');
    expect(await take('a', spaces, { ...single, wants: [chosen(1)] })).toEqual([1]);
  });

  test('gives nothing when the record it was planned upon has changed', async () => {
    const { store, take } = await start();
    const fence = (version: number) => ({ fence: { collection: 'network', id: 'n', version } });
    const put = (expected: number | 'absent') =>
      store.transact(async (tx) => {
        await tx.get(records.networks, 'n');
        return tx.put(records.networks, 'n', { subnets: [] }, expected);
      }, never);
    expect(await take('a', small, fence(1))).toBe('stale');
    expect(await take('a', small, fence(0))).toEqual([1]);
    const first = await put('absent');
    expect(await take('b', small, fence(0))).toBe('stale');
    expect(await take('b', small, fence(first))).toEqual([2]);
    const second = await put(first);
    expect(await take('a', small, fence(first))).toBe('stale');
    expect(await take('a', small, fence(second))).toEqual([1]);
    await store.transact(async (tx) => {
      await tx.get(records.networks, 'n');
      tx.delete(records.networks, 'n', second);
    }, never);
    expect(await take('c', small, fence(second))).toBe('stale');
    expect(await take('c', small, fence(0))).toEqual([3]);
  });

  test('a transaction that counted leases does not commit when one was given meanwhile', async () => {
    const { store, book, take } = await start();
    const id = guardId('address', 's');
    let runs = 0;
    const removeEmpty = () =>
      store.transact(async (tx) => {
        runs += 1;
        const guard = await tx.get(records.guards, id);
        const count = await book.count('s', undefined, never);
        if (count > 0) return 'in use';
        if (runs === 1) await take('a', small, fenced);
        if (guard !== undefined) tx.delete(records.guards, id, guard.version);
        tx.put(records.networks, 'gone', { subnets: [] }, 'absent');
        return 'removed';
      }, never);
    expect(await removeEmpty()).toBe('in use');
    expect(runs).toBe(2);
  });

  test('a transaction may remove the guard of a space that is no longer held, and the space may come back', async () => {
    const { store, take, drop } = await start();
    const id = guardId('address', 's');
    await take('a', small, fenced);
    await drop('a');
    await store.transact(async (tx) => {
      const guard = await tx.get(records.guards, id);
      expect(guard).toBeDefined();
      if (guard !== undefined) tx.delete(records.guards, id, guard.version);
    }, never);
    expect(await store.get(records.guards, id, never)).toBeUndefined();
    await take('a', small);
    expect(await store.get(records.guards, id, never)).toBeUndefined();
    await take('b', small, fenced);
    expect(await store.get(records.guards, id, never)).toBeDefined();
  });

  test('the same request gets the same answer, whatever has happened since', async () => {
    const { take, drop, book } = await start();
    const asked = (body: string) => ({ request: { requestId: REQUEST, method: 'Allocate', body } });
    const REQUEST = randomUUID();
    expect(await take('a', small, asked('a'))).toEqual([1]);
    await drop('a');
    expect(await take('b', small, { wants: [chosen(1)] })).toEqual([1]);
    expect(await take('a', small, asked('a'))).toEqual([1]);
    expect(await book.leasesBy('a', { after: undefined, limit: 10 }, never)).toEqual([]);
    await expect(take('a', small, asked('other'))).rejects.toMatchObject({
      code: 'invalid',
      reason: 'REQUEST_ID_REUSED',
      violations: [{ field: 'request_id' }],
    });
    await expect(take('a', small, { request: { requestId: 'x', method: '', body: '' } })).rejects.toMatchObject({
      violations: [{ field: 'request_id' }],
    });
  });

  test('a release that is asked for again answers the same and releases nothing more', async () => {
    const { take, book } = await start();
    const release = {
      holder: 'a',
      group: undefined,
      filters: [],
      request: { requestId: randomUUID(), method: 'Release', body: 'a' },
      dryRun: false,
    };
    await take('a', small);
    const first = await book.release(release, never);
    await take('a', small);
    expect(await book.release(release, never)).toEqual(first);
    expect(await book.count('s', undefined, never)).toBe(1);
    await expect(book.release({ ...release, request: { ...release.request, body: 'b' } }, never)).rejects.toMatchObject(
      {
        reason: 'REQUEST_ID_REUSED',
      },
    );
  });

  test('one request id is one request in the whole store', async () => {
    const { take, book } = await start();
    const requestId = randomUUID();
    await take('a', small, { request: { requestId, method: 'Allocate', body: 'a' } });
    const release = { holder: 'a', group: undefined, filters: [], dryRun: false };
    await expect(
      book.release({ ...release, request: { requestId, method: 'Release', body: 'a' } }, never),
    ).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
  });

  test('what was refused may be asked for again with the same id', async () => {
    const { take, drop } = await start();
    const asked = { request: { requestId: randomUUID(), method: 'Allocate', body: 'b' }, wants: [chosen(1)] };
    await take('a', small);
    expect(await take('b', small, asked)).toBe('taken');
    await drop('a');
    expect(await take('b', small, asked)).toEqual([1]);
  });

  test('a dry run says what would be, and changes nothing', async () => {
    const { take, book, store } = await start();
    const dry = { dryRun: true, request: { requestId: randomUUID(), method: 'Allocate', body: 'a' } };
    expect(await take('a', small, { ...dry, ...fenced })).toEqual([1]);
    expect(await take('a', small, { ...dry, wants: [next(), chosen(1)] })).toEqual([2, 1]);
    expect(await book.count('s', undefined, never)).toBe(0);
    expect(await store.get(records.guards, guardId('address', 's'), never)).toBeUndefined();
    expect(await take('b', small)).toEqual([1]);
    expect(await take('a', small, { ...dry, wants: [chosen(1)] })).toBe('taken');
    const release = { holder: 'b', group: undefined, filters: [], dryRun: true, request: dry.request };
    expect(await book.release(release, never)).toHaveLength(1);
    expect(await book.count('s', undefined, never)).toBe(1);
  });

  test('releases only what the filters name and the holder has', async () => {
    const { take, drop, book } = await start();
    const spaces = [space('s', [1, 9]), space('t', [11, 19])];
    await take('a', spaces, { wants: [next(0), next(0), next(1)] });
    await take('b', spaces);
    expect(await drop('a', 3)).toEqual([]);
    expect(await drop('a', 1, 3)).toEqual([1]);
    expect(await drop('a', 1)).toEqual([]);
    const release = (space: string) => ({
      holder: 'a',
      group: 'net',
      filters: [{ space }],
      dryRun: false,
      request: { requestId: '', method: 'Release', body: '' },
    });
    expect(await book.release({ ...release('t'), group: 'elsewhere' }, never)).toEqual([]);
    expect(await book.release(release('t'), never)).toEqual([
      { key: key(11), space: 't', group: 'net', holder: 'a', createdMs: 1_000 },
    ]);
    expect(await drop('nobody')).toEqual([]);
    expect(await drop('a')).toEqual([2]);
    expect(await book.count('s', undefined, never)).toBe(1);
  });

  test('lists leases in key order, page by page, of a space and of a holder', async () => {
    const { take, book } = await start();
    const spaces = [space('s', [1, 99])];
    for (const last of [300, 7, 40, 16, 255])
      await take(`h${(last % 2).toString()}`, spaces, { wants: [chosen(last)] });
    const all = async (list: (after: string | undefined) => ReturnType<LeaseBook['leasesOf']>) => {
      const found: LeaseKey[] = [];
      let after: string | undefined;
      for (;;) {
        const page = await list(after);
        found.push(...page.map(({ lease }) => lease.key));
        after = page.at(-1)?.place;
        if (page.length < 2) return found;
      }
    };
    expect(await all((after) => book.leasesOf('s', { after, limit: 2 }, never))).toEqual(
      [7, 16, 40, 255, 300].map(key),
    );
    expect(await all((after) => book.leasesBy('h0', { after, limit: 2 }, never))).toEqual([16, 40, 300].map(key));
    expect(await book.leasesOf('t', { after: undefined, limit: 9 }, never)).toEqual([]);
    const [first] = await book.leasesOf('s', { after: undefined, limit: 1 }, never);
    expect(first?.lease).toEqual({ key: key(7), space: 's', group: 'net', holder: 'h1', createdMs: 1_000 });
  });

  test('counts what is held in a range', async () => {
    const { take, book } = await start();
    await take('a', small, { wants: [chosen(5), chosen(6), chosen(9)] });
    const range = (first: number, last: number) => ({ first: key(first), last: key(last) });
    expect(await book.count('s', undefined, never)).toBe(3);
    expect(await book.count('s', range(5, 6), never)).toBe(2);
    expect(await book.count('s', range(7, 8), never)).toBe(0);
    expect(await book.count('s', range(6, 9), never)).toBe(2);
  });

  test('forgets a space of which nothing is held, and no other', async () => {
    const { take, drop, book } = await start();
    await take('a', small);
    await take('b', small);
    await drop('a');
    await book.forget('s', never);
    expect(await take('c', small)).toEqual([3]);
    await drop('b');
    await drop('c');
    await book.forget('s', never);
    expect(await take('d', small)).toEqual([1]);
    await book.forget('never heard of', never);
  });

  test('books know nothing of each other', async () => {
    const { book, other, take } = await start();
    expect(await take('a', small)).toEqual([1]);
    expect(numbers(await other.allocate(request('b', small), never))).toEqual([1]);
    expect(await other.leasesBy('a', { after: undefined, limit: 9 }, never)).toEqual([]);
    expect(await book.count('s', undefined, never)).toBe(1);
  });

  test('gives each key to one holder when all ask at once, and stops when all are gone', async () => {
    const { book, take } = await start();
    const spaces = [space('s', [1, 40])];
    const taken = await Promise.all(Array.from({ length: 50 }, (_, at) => take(`h${at.toString()}`, spaces)));
    const given = taken.flatMap((answer) => (typeof answer === 'string' ? [] : answer));
    expect(given.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
    expect(taken.filter((answer) => answer === 'full')).toHaveLength(10);
    expect(await book.count('s', undefined, never)).toBe(40);
  });
};

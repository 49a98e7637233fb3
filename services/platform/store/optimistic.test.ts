import { expect, test } from 'vitest';
import { ManualClock } from '#platform/testing/manual-clock.ts';
import type { StoreBackend } from './changes.ts';
import { CommittedEvents } from './committed-events.ts';
import { MemoryStore } from './memory-store.ts';
import { OptimisticStore } from './optimistic.ts';
import type { Collection, Transaction } from './store.ts';

const never = new AbortController().signal;
const accounts: Collection<number> = { name: 'account', encode: (balance) => balance.toString(), decode: Number };

const move = async (tx: Transaction, from: string, to: string): Promise<void> => {
  for (const [id, by] of [
    [from, -1],
    [to, 1],
  ] as const) {
    const account = await tx.get(accounts, id);
    tx.put(accounts, id, (account?.value ?? 0) + by, account?.version ?? 'absent');
  }
};

test('transactions over the same records in opposite orders all come through', async () => {
  const store = new MemoryStore('test', new ManualClock());
  const started = performance.now();
  await Promise.all(
    Array.from({ length: 100 }, (_, at) =>
      store.transact((tx) => (at % 2 === 0 ? move(tx, 'a', 'b') : move(tx, 'b', 'a')), never),
    ),
  );
  const both = [await store.get(accounts, 'a', never), await store.get(accounts, 'b', never)];
  expect(both.map((account) => account?.value)).toEqual([0, 0]);
  expect(both.map((account) => account?.version)).toEqual([100, 100]);
  // A deadlock would last until somebody loses patience.
  expect(performance.now() - started).toBeLessThan(900);
});

/** Records that somebody else changes between every reading and writing. */
const restless: StoreBackend = {
  read: (keys) => Promise.resolve(keys.map(() => ({ version: 1, text: '0' }))),
  ids: () => Promise.resolve([]),
  commit: ({ records }) =>
    Promise.resolve({ committed: false, lost: records.map((record) => ({ ...record, version: 2, alive: true })) }),
};

test('a work that always loses is given up as a conflict', async () => {
  const store = new OptimisticStore(restless, new CommittedEvents());
  let runs = 0;
  const work = (tx: Transaction): Promise<void> => {
    runs += 1;
    return move(tx, 'a', 'b');
  };
  await expect(store.transact(work, never)).rejects.toMatchObject({ code: 'conflict', reason: 'STORE_CONTENTION' });
  expect(runs).toBe(20);
});

test('a caller who hangs up is not tried for any longer', async () => {
  const store = new OptimisticStore(restless, new CommittedEvents());
  const caller = new AbortController();
  let runs = 0;
  const work = (tx: Transaction): Promise<void> => {
    runs += 1;
    if (runs === 3) caller.abort(new Error('hung up'));
    return move(tx, 'a', 'b');
  };
  await expect(store.transact(work, caller.signal)).rejects.toThrow('hung up');
  expect(runs).toBe(3);
});

test('a record nobody can read is a defect, not an absence', async () => {
  const store = new MemoryStore('test', new ManualClock());
  await store.transact((tx) => Promise.resolve(tx.put(accounts, 'a', 1, 'absent')), never);
  const strict: Collection<number> = {
    ...accounts,
    decode: () => {
      throw new SyntaxError('not this way');
    },
  };
  await expect(store.get(strict, 'a', never)).rejects.toMatchObject({ code: 'internal', reason: 'RECORD_UNREADABLE' });
});

import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Collection, CommitSource, Outbox, Store, StoredEvent, Transaction } from '#platform/store/store.ts';

/** A store nobody else uses, and a way to let its time pass. */
export interface OpenStore extends AsyncDisposable {
  readonly store: Store & Outbox & CommitSource;
  readonly passSeconds: (seconds: number) => Promise<void>;
}

interface Port {
  readonly name: string;
  readonly network?: string;
  readonly count?: number;
}

const parsePort = (text: string): Port => {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('name' in value) || typeof value.name !== 'string') {
    throw new TypeError('not a port');
  }
  return {
    name: value.name,
    ...('network' in value && typeof value.network === 'string' ? { network: value.network } : {}),
    ...('count' in value && typeof value.count === 'number' ? { count: value.count } : {}),
  };
};

const ports: Collection<Port> = {
  name: 'port',
  encode: (port) => JSON.stringify(port),
  decode: parsePort,
  indexes: ({ network }) => (network === undefined ? [] : [`network:${network}`]),
};

const never = new AbortController().signal;

const event = (text: string): { subject: string; payload: Uint8Array; headers: Record<string, string> } => ({
  subject: 'weft.event.test',
  // Not valid UTF-8: payloads are bytes.
  payload: new Uint8Array([0xff, 0x00, ...Buffer.from(text)]),
  headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
});

const textOf = ({ payload }: StoredEvent): string => Buffer.from(payload.subarray(2)).toString();

const create = async (store: Store, id: string, port: Port): Promise<void> => {
  await store.transact((tx) => {
    tx.put(ports, id, port, 'absent');
    return Promise.resolve();
  }, never);
};

const change = async (tx: Transaction, id: string, edit: (port: Port) => Port): Promise<void> => {
  const found = await tx.get(ports, id);
  if (found === undefined) throw new Error(`${id} does not exist`);
  tx.put(ports, id, edit(found.value), found.version);
};

const remove = async (store: Store, id: string): Promise<void> => {
  await store.transact(async (tx) => {
    const found = await tx.get(ports, id);
    if (found !== undefined) tx.delete(ports, id, found.version);
  }, never);
};

const idsOf = async (store: Store, index: string): Promise<readonly string[]> =>
  await store.transact((tx) => tx.idsBy(ports, index, 100), never);

const namesOf = async (store: Store, index?: string): Promise<readonly string[]> => {
  const page = await store.list(ports, { limit: 1_000, ...(index === undefined ? {} : { index }) }, never);
  return page.items.map(({ value }) => value.name);
};

/** What every store promises; `open` makes a fresh one. */
export const storeContract = (kind: string, open: () => Promise<OpenStore>): void => {
  describe(`${kind} store`, () => {
    test('keeps what was put, under a version that grows by one with each write', async () => {
      await using opened = await open();
      const { store } = opened;
      const first = await store.transact((tx) => Promise.resolve(tx.put(ports, 'a', { name: 'one' }, 'absent')), never);
      expect(await store.get(ports, 'a', never)).toEqual({ value: { name: 'one' }, version: first });
      await store.transact((tx) => change(tx, 'a', () => ({ name: 'two' })), never);
      expect(await store.get(ports, 'a', never)).toEqual({ value: { name: 'two' }, version: first + 1 });
      expect(await store.get(ports, 'b', never)).toBeUndefined();
    });

    test('shows a transaction its own writes, and nobody else before the commit', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'a', { name: 'old' });
      await store.transact(async (tx) => {
        await change(tx, 'a', () => ({ name: 'new' }));
        expect((await tx.get(ports, 'a'))?.value.name).toBe('new');
        expect((await store.get(ports, 'a', never))?.value.name).toBe('old');
        tx.delete(ports, 'a', 2);
        expect(await tx.get(ports, 'a')).toBeUndefined();
        expect(tx.put(ports, 'a', { name: 'newest' }, 'absent')).toBe(2);
      }, never);
      expect(await store.get(ports, 'a', never)).toEqual({ value: { name: 'newest' }, version: 2 });
    });

    test('reads many in the order asked for, with holes and doubles', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'a', { name: 'A' });
      await create(store, 'b', { name: 'B' });
      const read = await store.transact((tx) => tx.getMany(ports, ['b', 'x', 'a', 'b']), never);
      expect(read.map((found) => found?.value.name)).toEqual(['B', undefined, 'A', 'B']);
    });

    test('refuses a write that expects another version than the transaction sees', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'a', { name: 'one' });
      const stale = async (tx: Transaction): Promise<void> => {
        await tx.get(ports, 'a');
        tx.put(ports, 'a', { name: 'two' }, 7);
      };
      const again = async (tx: Transaction): Promise<void> => {
        await tx.get(ports, 'a');
        tx.put(ports, 'a', { name: 'two' }, 'absent');
      };
      for (const work of [stale, again]) {
        await expect(store.transact(work, never)).rejects.toMatchObject({
          code: 'conflict',
          reason: 'VERSION_MISMATCH',
        });
      }
      expect((await store.get(ports, 'a', never))?.value.name).toBe('one');
    });

    test('gives up on an unread record that exists', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'a', { name: 'one' });
      await expect(create(store, 'a', { name: 'two' })).rejects.toMatchObject({
        code: 'conflict',
        reason: 'STORE_CONTENTION',
      });
    });

    test('refuses to overwrite what was never read', async () => {
      await using opened = await open();
      const work = (tx: Transaction): Promise<number> => Promise.resolve(tx.put(ports, 'a', { name: 'x' }, 1));
      await expect(opened.store.transact(work, never)).rejects.toMatchObject({ reason: 'RECORD_UNREAD' });
    });

    test('runs the work again when a record it only read was changed meanwhile', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'guard', { name: 'open' });
      let runs = 0;
      await store.transact(async (tx) => {
        runs += 1;
        const guard = await tx.get(ports, 'guard');
        if (runs === 1) await store.transact((other) => change(other, 'guard', () => ({ name: 'shut' })), never);
        tx.put(ports, 'seen', { name: guard?.value.name ?? '' }, 'absent');
      }, never);
      expect((await store.get(ports, 'seen', never))?.value.name).toBe('shut');
      expect(runs).toBe(2);
    });

    test('notices that a record it saw absent was made and removed meanwhile', async () => {
      await using opened = await open();
      const { store } = opened;
      let runs = 0;
      await store.transact(async (tx) => {
        runs += 1;
        await tx.get(ports, 'a');
        if (runs === 1) {
          await create(store, 'a', { name: 'passing' });
          await remove(store, 'a');
        }
        tx.put(ports, 'a', { name: 'mine' }, 'absent');
      }, never);
      expect(runs).toBe(2);
    });

    test('goes on counting when a deleted id comes back, so an old version never fits', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'a', { name: 'first life' });
      await remove(store, 'a');
      expect(await store.get(ports, 'a', never)).toBeUndefined();
      await create(store, 'a', { name: 'second life' });
      expect((await store.get(ports, 'a', never))?.version).toBeGreaterThan(1);
    });

    test('loses none of 200 concurrent increments, and keeps their events in commit order', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'counter', { name: 'counter', count: 0 });
      await Promise.all(
        Array.from({ length: 200 }, () =>
          store.transact(async (tx) => {
            await change(tx, 'counter', (port) => {
              const count = (port.count ?? 0) + 1;
              tx.emit(event(count.toString()));
              return { ...port, count };
            });
          }, never),
        ),
      );
      const counter = await store.get(ports, 'counter', never);
      expect(counter).toEqual({ value: { name: 'counter', count: 200 }, version: 201 });
      const events = await store.read(1_000, never);
      expect(events.map(textOf)).toEqual(Array.from({ length: 200 }, (_, at) => (at + 1).toString()));
    });

    test('commits all of a transaction or nothing', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'a', { name: 'a', network: 'n' });
      const failed = store.transact(async (tx) => {
        await change(tx, 'a', (port) => ({ ...port, name: 'changed' }));
        tx.put(ports, 'b', { name: 'b', network: 'n' }, 'absent');
        tx.emit(event('never'));
        throw new Error('the work failed');
      }, never);
      await expect(failed).rejects.toThrow('the work failed');
      // And the same for a commit that loses: `b` exists unread.
      await create(store, 'c', { name: 'c' });
      const lost = store.transact((tx) => {
        tx.put(ports, 'b', { name: 'b', network: 'n' }, 'absent');
        tx.put(ports, 'c', { name: 'c', network: 'n' }, 'absent');
        tx.emit(event('never'));
        return Promise.resolve();
      }, never);
      await expect(lost).rejects.toMatchObject({ code: 'conflict' });
      expect(await namesOf(store)).toEqual(['a', 'c']);
      expect(await namesOf(store, 'network:n')).toEqual(['a']);
      expect(await store.read(10, never)).toEqual([]);
    });

    test('keeps each record in the indexes its value names, and in no other', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'b', { name: 'b', network: 'red' });
      await create(store, 'a', { name: 'a', network: 'red' });
      expect(await idsOf(store, 'network:red')).toEqual(['a', 'b']);
      await store.transact((tx) => change(tx, 'a', (port) => ({ ...port, network: 'blue' })), never);
      expect([await idsOf(store, 'network:red'), await idsOf(store, 'network:blue')]).toEqual([['b'], ['a']]);
      await store.transact((tx) => change(tx, 'a', ({ name }) => ({ name })), never);
      await remove(store, 'b');
      expect([await idsOf(store, 'network:red'), await idsOf(store, 'network:blue')]).toEqual([[], []]);
      expect(await namesOf(store)).toEqual(['a']);
    });

    test('pages through ids in byte order, without an empty page at the end', async () => {
      await using opened = await open();
      const { store } = opened;
      const names = ['Z', 'a', 'b', 'é', '\u{fffd}', '\u{1f600}'];
      for (const name of names.toReversed()) await create(store, name, { name, network: 'n' });
      for (const index of [undefined, 'network:n']) {
        const seen: string[] = [];
        let after: string | undefined;
        let pages = 0;
        do {
          const options = {
            limit: 2,
            ...(index === undefined ? {} : { index }),
            ...(after === undefined ? {} : { after }),
          };
          const page = await store.list(ports, options, never);
          seen.push(...page.items.map(({ value }) => value.name));
          after = page.next;
          pages += 1;
        } while (after !== undefined);
        expect(seen).toEqual(names);
        expect(pages).toBe(3);
      }
    });

    test('ends a record at its time, and lists it never', async () => {
      await using opened = await open();
      const { store } = opened;
      await store.transact(
        (tx) => Promise.resolve(tx.put(ports, 'brief', { name: 'x', network: 'n' }, 'absent', 1)),
        never,
      );
      expect((await store.get(ports, 'brief', never))?.value.name).toBe('x');
      expect([await namesOf(store), await idsOf(store, 'network:n')]).toEqual([[], []]);
      await opened.passSeconds(1.1);
      expect(await store.get(ports, 'brief', never)).toBeUndefined();
      await create(store, 'brief', { name: 'again' });
    });

    test('lets a record become lasting, and lasting ones come to an end', async () => {
      await using opened = await open();
      const { store } = opened;
      await store.transact((tx) => Promise.resolve(tx.put(ports, 'a', { name: 'a' }, 'absent', 1)), never);
      await create(store, 'b', { name: 'b', network: 'n' });
      await store.transact(async (tx) => {
        await change(tx, 'a', (port) => port);
        const found = await tx.get(ports, 'b');
        tx.put(ports, 'b', { name: 'b', network: 'n' }, found?.version ?? 'absent', 1);
      }, never);
      expect(await namesOf(store)).toEqual(['a']);
      expect(await idsOf(store, 'network:n')).toEqual([]);
      await opened.passSeconds(1.1);
      expect((await store.get(ports, 'a', never))?.value.name).toBe('a');
      expect(await store.get(ports, 'b', never)).toBeUndefined();
    });

    test('holds events, oldest first, until each is confirmed', async () => {
      await using opened = await open();
      const { store } = opened;
      expect(await store.state(never)).toEqual({ length: 0, oldestAgeMs: 0 });
      for (const text of ['1', '2', '3']) {
        await store.transact((tx) => {
          tx.emit(event(text));
          return Promise.resolve();
        }, never);
      }
      const events = await store.read(2, never);
      expect(events.map(textOf)).toEqual(['1', '2']);
      expect(events[0]).toMatchObject({ subject: 'weft.event.test', headers: event('').headers });
      const ids = events.map(({ id }) => id);
      await store.confirm(ids.slice(1), never);
      await store.confirm(ids.slice(1), never);
      await store.confirm([], never);
      expect((await store.read(10, never)).map(textOf)).toEqual(['1', '3']);
      await opened.passSeconds(0.05);
      const state = await store.state(never);
      expect(state.length).toBe(2);
      expect(state.oldestAgeMs).toBeGreaterThanOrEqual(50);
      expect(state.oldestAgeMs).toBeLessThan(60_000);
    });

    test('tells its listeners the events of a commit with their outbox ids, before the caller goes on', async () => {
      await using opened = await open();
      const { store } = opened;
      const heard: StoredEvent[] = [];
      const listening = store.onCommitted((events) => heard.push(...events));
      const two = async (tx: Transaction): Promise<void> => {
        await change(tx, 'a', (port) => port);
        tx.emit(event('1'));
        tx.emit(event('2'));
      };
      await create(store, 'a', { name: 'a' });
      await store.transact(two, never);
      expect(heard.map(textOf)).toEqual(['1', '2']);
      expect(heard.map(({ id }) => id)).toEqual((await store.read(10, never)).map(({ id }) => id));
      listening[Symbol.dispose]();
      await store.transact(two, never);
      expect(heard).toHaveLength(2);
    });

    test('writes nothing for a work that wrote nothing', async () => {
      await using opened = await open();
      const { store } = opened;
      await create(store, 'a', { name: 'a' });
      await store.transact(async (tx) => {
        await tx.get(ports, 'a');
        tx.put(ports, 'b', { name: 'b' }, 'absent');
        tx.delete(ports, 'b', 1);
      }, never);
      expect((await store.get(ports, 'a', never))?.version).toBe(1);
      expect(await store.get(ports, 'b', never)).toBeUndefined();
    });

    test('takes hundreds of records and any text in one transaction', async () => {
      await using opened = await open();
      const { store } = opened;
      const name = `"'\\\0\n${'𝄞'.repeat(1_000)}${randomUUID()}`;
      const ids = Array.from({ length: 500 }, (_, at) => `fd00::${at.toString(16)}`);
      await store.transact((tx) => {
        for (const id of ids) tx.put(ports, id, { name, network: id }, 'absent');
        return Promise.resolve();
      }, never);
      expect(await namesOf(store)).toEqual(ids.map(() => name));
    });

    test('does nothing for a caller who has gone', async () => {
      await using opened = await open();
      const gone = AbortSignal.abort(new Error('the caller hung up'));
      const work = (tx: Transaction): Promise<number> => Promise.resolve(tx.put(ports, 'a', { name: 'a' }, 'absent'));
      await expect(opened.store.transact(work, gone)).rejects.toThrow('hung up');
      expect(await opened.store.get(ports, 'a', never)).toBeUndefined();
    });
  });
};

import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import type { Collection, Store } from '#platform/store/store.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { type RealServer, startRedis, temporaryDirectory } from '../support/real-servers.ts';

const never = new AbortController().signal;
const notes: Collection<string> = { name: 'note', encode: (text) => text, decode: (text) => text };

const write = async (store: Store, id: string): Promise<void> => {
  await store.transact(async (tx) => {
    if ((await tx.get(notes, id)) !== undefined) return;
    tx.put(notes, id, id, 'absent');
    tx.emit({ subject: 'note', payload: Buffer.from(id), headers: {} });
  }, never);
};

const open = async (server: RealServer, log = nullLog): Promise<RedisConnection & AsyncDisposable> => {
  const connection = new RedisConnection({ url: server.url }, log);
  await connection.start(never);
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.stop() });
};

describe('redis going away', () => {
  const stack = new AsyncDisposableStack();
  let server: RealServer;

  beforeAll(async () => {
    const dir = stack.use(await temporaryDirectory());
    server = stack.use(await startRedis(dir.path));
  });

  afterAll(() => stack.disposeAsync());

  test('loses nothing acknowledged to kill -9, and has each note with its event', async () => {
    await using connection = await open(server);
    const store = new RedisStore(connection, 'kill');
    const acknowledged: string[] = [];
    const failures: unknown[] = [];
    let stop = false;
    const writer = async (name: number): Promise<void> => {
      for (let count = 0; !stop; count += 1) {
        const id = `${name.toString()}-${count.toString()}`;
        try {
          await write(store, id);
          acknowledged.push(id);
        } catch (error) {
          failures.push(error);
          await wait(1);
        }
      }
    };
    const writers = Array.from({ length: 8 }, (_, name) => writer(name));
    for (let round = 0; round < 2; round += 1) {
      const before = acknowledged.length;
      await eventually('writes go through', () => acknowledged.length > before + 50, 5_000);
      await server.kill9();
      await wait(50);
      await server.restart();
    }
    const before = acknowledged.length;
    await eventually('writes go through again', () => acknowledged.length > before + 50, 5_000);
    stop = true;
    await Promise.all(writers);
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures) expect(failure).toMatchObject({ code: 'unavailable' });
    const found = await Promise.all(acknowledged.map((id) => store.get(notes, id, never)));
    expect(acknowledged.filter((_, at) => found[at] === undefined)).toEqual([]);
    const events = await store.read(1_000_000, never);
    const told = events.map(({ payload }) => Buffer.from(payload).toString());
    expect(new Set(told).size).toBe(told.length);
    expect(acknowledged.filter((id) => !new Set(told).has(id))).toEqual([]);
  }, 20_000);

  test('waits out a short absence', async () => {
    await using connection = await open(server);
    const store = new RedisStore(connection, 'short');
    await write(store, 'before');
    await server.kill9();
    const waiting = write(store, 'meanwhile');
    await server.restart();
    await waiting;
    expect((await store.get(notes, 'meanwhile', never))?.value).toBe('meanwhile');
  });

  test('fails as unavailable within 2 s while it is away, and says so once', async () => {
    const log = new MemoryLog();
    await using connection = await open(server, log);
    const store = new RedisStore(connection, 'away');
    await server.kill9();
    const started = performance.now();
    await expect(write(store, 'a')).rejects.toMatchObject({ code: 'unavailable', reason: 'STORE_UNAVAILABLE' });
    expect(performance.now() - started).toBeLessThan(2_000);
    await server.restart();
    await eventually(
      'redis is used again',
      () =>
        write(store, 'a').then(
          () => true,
          () => false,
        ),
      3_000,
    );
    expect(log.messages('warn')).toEqual(['redis is away']);
    expect(log.messages('info')).toEqual(['redis is back']);
  });

  test('takes a silent server for lost, and is well again when it speaks', async () => {
    await using connection = await open(server);
    const store = new RedisStore(connection, 'silent');
    server.pause();
    try {
      const started = performance.now();
      await expect(write(store, 'a')).rejects.toMatchObject({ code: 'unavailable' });
      expect(performance.now() - started).toBeLessThan(3_500);
    } finally {
      server.resume();
    }
    await eventually(
      'redis is used again',
      () =>
        write(store, 'b').then(
          () => true,
          () => false,
        ),
      4_000,
    );
  }, 10_000);

  test('survives the loss of its script', async () => {
    await using connection = await open(server);
    const store = new RedisStore(connection, 'script');
    await write(store, 'a');
    await connection.run((client) => client.script('FLUSH'), never);
    await write(store, 'b');
    expect((await store.get(notes, 'b', never))?.value).toBe('b');
  });

  test('does not start without redis, and leaves nothing behind', async () => {
    await using _leaks = leakCheck();
    const connection = new RedisConnection({ url: '/nowhere/redis.sock', startMs: 200 }, nullLog);
    await expect(connection.start(never)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('leaves nothing behind when it is stopped, and then serves nobody', async () => {
    await using _leaks = leakCheck();
    const connection = await open(server);
    await write(new RedisStore(connection, 'stop'), 'a');
    await connection.stop();
    await expect(write(new RedisStore(connection, 'stop'), 'b')).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('says which fault a wrong command is', async () => {
    await using connection = await open(server);
    await connection.run((client) => client.set('plain', 'text'), never);
    const wrong = connection.run((client) => client.xlen('plain'), never);
    await expect(wrong).rejects.toMatchObject({ code: 'internal', reason: 'STORE_REFUSED' });
  });
});

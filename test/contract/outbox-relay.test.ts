import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { DurableConsumer } from '#platform/nats/durable-consumer.ts';
import { JetStreamPublisher } from '#platform/nats/jetstream-publisher.ts';
import { OutboxRelay } from '#platform/nats/outbox-relay.ts';
import type { StreamSpec } from '#platform/nats/stream.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { type RealServer, reserveNats, startNats, startRedis, temporaryDirectory } from '../support/real-servers.ts';

const never = new AbortController().signal;
const soon = (): AbortSignal => AbortSignal.timeout(2_000);

/** One process of a service: its own connections, store, relay; and what a consumer elsewhere hears of it. */
interface Deployment extends AsyncDisposable {
  readonly store: RedisStore;
  readonly heard: string[];
  readonly emit: (text: string) => Promise<void>;
}

describe('events of commits', () => {
  const stack = new AsyncDisposableStack();
  let redis: RealServer;
  let nats: RealServer;

  beforeAll(async () => {
    const dir = stack.use(await temporaryDirectory());
    redis = stack.use(await startRedis(`${dir.path}/r`, { fsync: 'no' }));
    nats = stack.use(await startNats(`${dir.path}/n`));
  });

  afterAll(() => stack.disposeAsync());

  const deploy = async (
    partition: string,
    options: { readonly relay?: boolean; readonly natsUrl?: string } = {},
  ): Promise<Deployment> => {
    await using opening = new AsyncDisposableStack();
    const connection = new RedisConnection({ url: redis.url }, nullLog);
    await connection.start(never);
    opening.defer(() => connection.stop());
    const url = options.natsUrl ?? nats.url;
    const bus = new NatsConnection({ servers: [url], client: 'test', startMs: 300 }, nullLog);
    await bus.start(never);
    opening.defer(() => bus.stop(soon()));
    const stream: StreamSpec = { name: partition, subjects: [`${partition}.>`] };
    const publisher = new JetStreamPublisher(bus, [stream], nullLog);
    await publisher.start();
    opening.defer(() => publisher.stop());
    const store = new RedisStore(connection, partition);
    const relay = new OutboxRelay(store, publisher, bus, nullLog, { sweepMs: 100 });
    if (options.relay !== false) {
      await relay.start();
      opening.defer(() => relay.stop(soon()));
    }
    const heard: string[] = [];
    const consumer = new DurableConsumer(
      bus,
      { stream, durable: 'listener' },
      ({ data }) => {
        heard.push(Buffer.from(data).toString());
        return Promise.resolve();
      },
      nullLog,
    );
    await consumer.start();
    opening.defer(() => consumer.stop(soon()));
    const emit = async (text: string): Promise<void> => {
      await store.transact((tx) => {
        tx.emit({ subject: `${partition}.event`, payload: Buffer.from(text), headers: {} });
        return Promise.resolve();
      }, never);
    };
    const opened = opening.move();
    return { store, heard, emit, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  };

  const aPartition = (): string => randomUUID().slice(0, 8);

  const empty = (store: RedisStore) => async (): Promise<boolean> => (await store.state(never)).length === 0;

  test('reach consumers right after the commit, in order, and leave the outbox', async () => {
    await using service = await deploy(aPartition());
    const sent = Array.from({ length: 100 }, (_, at) => at.toString());
    for (const text of sent) await service.emit(text);
    await eventually('all', () => service.heard.length >= sent.length);
    await eventually('the outbox is empty', empty(service.store));
    expect(service.heard).toEqual(sent);
  });

  test('are published by the next process when the first died after the commit', async () => {
    const partition = aPartition();
    await using service = await deploy(partition, { relay: false });
    for (const text of ['1', '2', '3']) await service.emit(text);
    expect(service.heard).toEqual([]);
    await using _next = await deploy(partition);
    await eventually('the outbox is empty', empty(service.store));
    await eventually('all are heard', () => service.heard.length + _next.heard.length === 3);
    expect([...service.heard, ..._next.heard].toSorted()).toEqual(['1', '2', '3']);
  });

  test('are published by any replica while the committing one lives without its relay', async () => {
    const partition = aPartition();
    await using lame = await deploy(partition, { relay: false });
    await using whole = await deploy(partition);
    await lame.emit('orphan');
    await eventually('it is heard', () => [...lame.heard, ...whole.heard].includes('orphan'), 3_000);
    await eventually('the outbox is empty', empty(whole.store));
  });

  test('wait for a nats that is not there at the start', async () => {
    await using dir = await temporaryDirectory();
    const place = await reserveNats(dir.path);
    await using service = await deploy(aPartition(), { natsUrl: place.url });
    const sent = Array.from({ length: 600 }, (_, at) => at.toString());
    for (const text of sent) await service.emit(text);
    expect((await service.store.state(never)).length).toBe(600);
    await using _late = await place.start();
    await eventually('all', () => service.heard.length >= sent.length, 5_000);
    await eventually('the outbox is empty', empty(service.store), 3_000);
    expect(service.heard).toEqual(sent);
  }, 15_000);

  test('survive kill -9 of nats: none lost, each stored once', async () => {
    await using service = await deploy(aPartition());
    const sent: string[] = [];
    let stop = false;
    const writing = (async () => {
      for (let count = 0; !stop; count += 1) {
        const text = count.toString();
        await service.emit(text);
        sent.push(text);
      }
    })();
    for (let round = 0; round < 2; round += 1) {
      const before = sent.length;
      await eventually('commits go on', () => sent.length > before + 100);
      await nats.kill9();
      const during = sent.length;
      await eventually('commits go on without nats', () => sent.length > during + 50);
      await nats.restart();
    }
    const before = service.heard.length;
    await eventually('events flow again', () => service.heard.length > before, 5_000);
    stop = true;
    await writing;
    await eventually('the outbox is empty', empty(service.store), 5_000);
    await eventually('all are heard', () => new Set(service.heard).size === sent.length, 5_000);
    expect(new Set(service.heard)).toEqual(new Set(sent));
  }, 30_000);

  test('survive the loss of all that nats had: what is still in the outbox comes through', async () => {
    await using dir = await temporaryDirectory();
    await using first = await startNats(`${dir.path}/first`);
    await using service = await deploy(aPartition(), { natsUrl: first.url });
    await service.emit('before');
    await eventually('it is heard', () => service.heard.includes('before'));
    await first.kill9();
    await service.emit('meanwhile');
    const { rm } = await import('node:fs/promises');
    await rm(`${dir.path}/first/jetstream`, { recursive: true });
    await first.restart();
    await eventually('it is heard', () => service.heard.includes('meanwhile'), 5_000);
  }, 15_000);

  test('are all out when the relay has stopped', async () => {
    const partition = aPartition();
    const service = await deploy(partition);
    await Promise.all(Array.from({ length: 200 }, (_, at) => service.emit(at.toString())));
    await service[Symbol.asyncDispose]();
    await using other = await deploy(partition, { relay: false });
    expect((await other.store.state(never)).length).toBe(0);
  });
});

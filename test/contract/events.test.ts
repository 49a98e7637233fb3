import { randomUUID } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { nullLog } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { DurableConsumer, type DurableConsumerOptions, type EventHandler } from '#platform/nats/durable-consumer.ts';
import { JetStreamPublisher } from '#platform/nats/jetstream-publisher.ts';
import type { StreamSpec } from '#platform/nats/stream.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { type RealServer, startNats, temporaryDirectory } from '../support/real-servers.ts';

const never = new AbortController().signal;
const soon = (): AbortSignal => AbortSignal.timeout(2_000);

const text = (data: Uint8Array): string => Buffer.from(data).toString();

describe('events through JetStream', () => {
  const stack = new AsyncDisposableStack();
  let server: RealServer;
  let nats: NatsConnection;

  beforeAll(async () => {
    const dir = stack.use(await temporaryDirectory());
    server = stack.use(await startNats(dir.path));
    nats = new NatsConnection({ servers: [server.url], client: 'test' }, nullLog);
    await nats.start(never);
    stack.defer(() => nats.stop(soon()));
  });

  afterAll(() => stack.disposeAsync());

  /** A stream of a test's own. */
  const aStream = (): StreamSpec => {
    const name = randomUUID().slice(0, 8);
    return { name, subjects: [`${name}.>`] };
  };

  const publishTo = async (
    spec: StreamSpec,
  ): Promise<AsyncDisposable & { send: (subject: string, data: string, id?: string) => Promise<void> }> => {
    const publisher = new JetStreamPublisher(nats, [spec], nullLog);
    await publisher.start();
    return {
      send: async (subject, data, id = randomUUID()) => {
        const event = { id, subject: `${spec.name}.${subject}`, payload: Buffer.from(data), headers: {} };
        await publisher.publish('test', event, never);
      },
      [Symbol.asyncDispose]: () => publisher.stop(),
    };
  };

  const consume = async (
    options: Omit<DurableConsumerOptions, 'durable'>,
    handler: EventHandler,
    log = nullLog,
  ): Promise<AsyncDisposable> => {
    const consumer = new DurableConsumer(nats, { durable: 'worker', ...options }, handler, log);
    await consumer.start();
    return { [Symbol.asyncDispose]: () => consumer.stop(soon()) };
  };

  const collect =
    (into: string[]): EventHandler =>
    ({ data }) => {
      into.push(text(data));
      return Promise.resolve();
    };

  test('keeps events for a consumer that comes later, each once whatever the publisher repeats', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    for (const id of ['1', '2', '1', '2']) await publisher.send('a', id, id);
    const got: string[] = [];
    await using _consumer = await consume({ stream }, collect(got));
    await publisher.send('a', '3');
    await eventually('the last', () => got.includes('3'));
    expect(got).toEqual(['1', '2', '3']);
  });

  test('gives a subject without a stream, and nats away, as unavailable', async () => {
    const stream = aStream();
    const publisher = new JetStreamPublisher(nats, [stream], nullLog);
    const event = { id: '1', subject: 'elsewhere', payload: Buffer.from(''), headers: {} };
    await expect(publisher.publish('test', event, never)).rejects.toMatchObject({ reason: 'BUS_UNAVAILABLE' });
    await publisher.start();
    await expect(publisher.publish('test', event, never)).rejects.toMatchObject({ reason: 'BUS_UNAVAILABLE' });
    await publisher.publish('test', { ...event, subject: `${stream.name}.a` }, never);
    await publisher.stop();
  });

  test('follows a change of the stream settings', async () => {
    const stream = aStream();
    await using _first = await publishTo(stream);
    await using _second = await publishTo({ ...stream, maxAgeMs: 60_000, duplicateWindowMs: 1_000 });
    const manager = await jetstreamManager(await nats.whenConnected(never));
    expect((await manager.streams.info(stream.name)).config.max_age).toBe(60_000 * 1_000_000);
  });

  test('handles the messages of one key in order and those of others at once', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    await using _consumer = await consume({ stream }, async ({ data }) => {
      log.push(`start ${text(data)}`);
      if (text(data) === 'a1') await gate.promise;
      log.push(`end ${text(data)}`);
    });
    for (const name of ['a1', 'a2', 'b1', 'b2']) await publisher.send(name.slice(0, 1), name);
    await eventually('b is through', () => log.includes('end b2'));
    expect(log).not.toContain('start a2');
    gate.resolve();
    await eventually('a is through', () => log.includes('end a2'));
    expect(log.filter((line) => line.includes(' a'))).toEqual(['start a1', 'end a1', 'start a2', 'end a2']);
  });

  test('never works on more at once than it may', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    let running = 0;
    let most = 0;
    let done = 0;
    await using _consumer = await consume({ stream, concurrency: 3 }, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => {
        setTimeout(resolve, 2);
      });
      running -= 1;
      done += 1;
    });
    await Promise.all(Array.from({ length: 30 }, (_, at) => publisher.send(at.toString(), '')));
    await eventually('all', () => done === 30);
    expect(most).toBe(3);
  });

  test('brings a failed message again, and drops one that makes no sense', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    const log = new MemoryLog();
    const got: string[] = [];
    await using _consumer = await consume(
      { stream },
      ({ data, deliveries }) => {
        got.push(`${text(data)} ${deliveries.toString()}`);
        if (text(data) === 'poison') throw new DomainError('invalid', 'NO_SENSE', 'not an event');
        if (text(data) === 'shaky' && deliveries < 3) throw new Error('not now');
        return Promise.resolve();
      },
      log,
    );
    await publisher.send('a', 'shaky');
    await publisher.send('b', 'poison');
    await eventually('the third try', () => got.includes('shaky 3'), 3_000);
    await publisher.send('c', 'end');
    await eventually('the end', () => got.includes('end 1'));
    expect(got.toSorted()).toEqual(['end 1', 'poison 1', 'shaky 1', 'shaky 2', 'shaky 3']);
    expect(log.messages('error')).toEqual(['event makes no sense and is dropped']);
    expect(log.messages('warn')).toHaveLength(2);
  });

  test('keeps a message whose handler takes long, and gives back at the stop what has not begun', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    const gate = Promise.withResolvers<void>();
    const first: string[] = [];
    const slow = await consume({ stream, concurrency: 1, ackWaitMs: 300 }, async ({ data }) => {
      first.push(text(data));
      await gate.promise;
    });
    for (const name of ['1', '2', '3']) await publisher.send(name, name);
    await eventually('the first', () => first.length === 1);
    await new Promise((resolve) => {
      setTimeout(resolve, 700);
    });
    const second: string[] = [];
    await using _other = await consume({ stream, ackWaitMs: 300 }, collect(second));
    const stopped = slow[Symbol.asyncDispose]();
    await eventually('the rest is given back', () => second.length === 2);
    gate.resolve();
    await stopped;
    expect(first).toEqual(['1']);
    expect(second.toSorted()).toEqual(['2', '3']);
  });

  test('tells a handler that its time is up', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    let started = false;
    const consumer = new DurableConsumer(
      nats,
      { stream, durable: 'slow' },
      async (_message, signal) => {
        started = true;
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('out of time'));
          });
        });
      },
      nullLog,
    );
    await consumer.start();
    await publisher.send('a', '');
    await eventually('it started', () => started);
    await consumer.stop(AbortSignal.timeout(50));
  });

  test('goes on after its consumer or its stream was deleted, and says that something may be missing', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    const got: string[] = [];
    let fresh = 0;
    const onFresh = (): Promise<void> => {
      fresh += 1;
      return Promise.resolve();
    };
    await using _consumer = await consume({ stream, onFresh }, collect(got));
    await publisher.send('a', '1');
    await eventually('the first', () => got.includes('1'));
    expect(fresh).toBe(1);
    const manager = await jetstreamManager(await nats.whenConnected(never));
    await manager.consumers.delete(stream.name, 'worker');
    await eventually('a new consumer', () => fresh === 2, 3_000);
    await publisher.send('a', '2');
    await eventually('the second', () => got.includes('2'), 3_000);
    await manager.streams.delete(stream.name);
    await eventually('a new stream', () => fresh === 3, 5_000);
    await publisher.send('a', '3');
    await eventually('the third', () => got.includes('3'), 3_000);
  }, 15_000);

  test('brings one message to its handler without delay', async () => {
    const stream = aStream();
    await using publisher = await publishTo(stream);
    let arrived: (() => void) | undefined;
    await using _consumer = await consume({ stream }, () => {
      arrived?.();
      return Promise.resolve();
    });
    const took: number[] = [];
    for (let count = 0; count < 300; count += 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      arrived = resolve;
      const started = performance.now();
      const sent = publisher.send('a', 'x');
      await promise;
      if (count >= 100) took.push(performance.now() - started);
      await sent;
    }
    const median = took.toSorted((a, b) => a - b)[took.length / 2];
    // Far above what it takes, far below any timer or poll.
    expect(median).toBeLessThan(5);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { SubjectBus } from '#platform/nats/subject-bus.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { type RealServer, reserveNats, startNats, temporaryDirectory } from '../support/real-servers.ts';

const never = new AbortController().signal;

const open = async (url: string, log = nullLog): Promise<NatsConnection & AsyncDisposable> => {
  const connection = new NatsConnection({ servers: [url], client: 'test', startMs: 200 }, log);
  await connection.start(never);
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.stop(AbortSignal.timeout(1_000)) });
};

const text = (data: Uint8Array): string => Buffer.from(data).toString();

describe('nats connection and bus', () => {
  const stack = new AsyncDisposableStack();
  let server: RealServer;

  beforeAll(async () => {
    const dir = stack.use(await temporaryDirectory());
    server = stack.use(await startNats(dir.path));
  });

  afterAll(() => stack.disposeAsync());

  test('starts while nats is away, and is there once nats is', async () => {
    await using dir = await temporaryDirectory();
    const place = await reserveNats(dir.path);
    await using connection = await open(place.url);
    const bus = new SubjectBus(connection, nullLog);
    const heard: string[] = [];
    await using _subscription = bus.subscribe('early', {}, ({ data }) => void heard.push(text(data)));
    expect(connection.connected).toBe(false);
    expect(bus.publish('early', Buffer.from('lost'), {})).toBe(false);
    expect(await bus.flush()).toBe(false);
    await using _late = await place.start();
    await eventually('connected', () => connection.connected);
    expect(bus.publish('early', Buffer.from('heard'), {})).toBe(true);
    await eventually('the message', () => heard.length > 0);
    expect(heard).toEqual(['heard']);
  });

  test('can be stopped while nats is away', async () => {
    await using dir = await temporaryDirectory();
    const place = await reserveNats(dir.path);
    await using _leaks = leakCheck();
    const connection = await open(place.url);
    await connection.stop(never);
    expect(connection.connected).toBe(false);
  });

  test('can be stopped while nats is silent', async () => {
    await using connection = await open(server.url);
    server.pause();
    try {
      const started = performance.now();
      await connection.stop(AbortSignal.timeout(200));
      expect(performance.now() - started).toBeLessThan(1_000);
    } finally {
      server.resume();
    }
  });

  test('notices a restart, tells it, and keeps its subscriptions', async () => {
    const log = new MemoryLog();
    await using connection = await open(server.url, log);
    const bus = new SubjectBus(connection, nullLog);
    let connections = 0;
    using _listening = bus.onConnect(() => {
      connections += 1;
    });
    expect(connections).toBe(1);
    const heard: string[] = [];
    await using _subscription = bus.subscribe('again', {}, ({ data }) => void heard.push(text(data)));
    await server.kill9();
    await eventually('the loss is noticed', () => !connection.connected);
    expect(bus.publish('again', Buffer.from('lost'), {})).toBe(false);
    await server.restart();
    await eventually('the return is told', () => connections === 2, 3_000);
    bus.publish('again', Buffer.from('kept'), {});
    await eventually('the message', () => heard.length > 0);
    expect(heard).toEqual(['kept']);
    expect(log.messages('warn')).toEqual(['nats is away']);
    expect(log.messages('info')).toEqual(['nats connected', 'nats is back']);
  });

  test('carries headers and bytes, and gives a queue each message once', async () => {
    await using connection = await open(server.url);
    const bus = new SubjectBus(connection, nullLog);
    const seen: string[] = [];
    const worker = (name: string): AsyncDisposable =>
      bus.subscribe('work.*', { queue: 'workers' }, ({ subject, data, headers }) => {
        seen.push(`${subject} ${text(data)} ${headers['traceparent'] ?? ''}`);
        expect(name).toMatch(/^[ab]$/u);
      });
    await using _a = worker('a');
    await using _b = worker('b');
    await bus.flush();
    const sent = Array.from({ length: 50 }, (_, at) => at.toString());
    for (const number of sent) bus.publish(`work.${number}`, Buffer.from(number), { traceparent: number });
    await eventually('all', () => seen.length >= sent.length);
    await bus.flush();
    expect(seen.toSorted()).toEqual(sent.map((number) => `work.${number} ${number} ${number}`).toSorted());
  });

  test('outlives handlers that throw, and waits for those under way', async () => {
    const log = new MemoryLog();
    await using connection = await open(server.url);
    const bus = new SubjectBus(connection, log);
    const { promise, resolve } = Promise.withResolvers<void>();
    let finished = false;
    const subscription = bus.subscribe('bad', {}, async ({ data }) => {
      if (text(data) === 'throw') throw new Error('handler broke');
      await promise;
      finished = true;
    });
    bus.publish('bad', Buffer.from('throw'), {});
    bus.publish('bad', Buffer.from('wait'), {});
    await bus.flush();
    await eventually('the failure is logged', () => log.messages('error').length === 1);
    const ended = subscription[Symbol.asyncDispose]();
    expect(finished).toBe(false);
    resolve();
    await ended;
    expect(finished).toBe(true);
    bus.publish('bad', Buffer.from('throw'), {});
    await bus.flush();
    expect(log.messages('error')).toHaveLength(1);
  });
});

import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { DurableConsumer } from '#platform/nats/durable-consumer.ts';
import { JetStreamPublisher } from '#platform/nats/jetstream-publisher.ts';
import { OutboxRelay } from '#platform/nats/outbox-relay.ts';
import { SubjectBus } from '#platform/nats/subject-bus.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import { carrier, inSpan } from '#platform/telemetry/spans.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { startNats, startRedis, temporaryDirectory } from '../support/real-servers.ts';

const never = new AbortController().signal;
const soon = (): AbortSignal => AbortSignal.timeout(2_000);

test('one trace leads from a call over its commit and its publication to those who hear of it', async () => {
  await using stack = new AsyncDisposableStack();
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  provider.register({
    contextManager: new AsyncLocalStorageContextManager(),
    propagator: new W3CTraceContextPropagator(),
  });
  stack.defer(() => {
    trace.disable();
    context.disable();
    propagation.disable();
  });
  const dir = stack.use(await temporaryDirectory());
  const redisServer = stack.use(await startRedis(`${dir.path}/r`));
  const natsServer = stack.use(await startNats(`${dir.path}/n`));
  const redis = new RedisConnection({ url: redisServer.url }, nullLog);
  await redis.start(never);
  stack.defer(() => redis.stop());
  const nats = new NatsConnection({ servers: [natsServer.url], client: 'test' }, nullLog);
  await nats.start(never);
  stack.defer(() => nats.stop(soon()));
  const stream = { name: 'trace', subjects: ['trace.>'] };
  const publisher = new JetStreamPublisher(nats, [stream], nullLog);
  await publisher.start();
  stack.defer(() => publisher.stop());
  const store = new RedisStore(redis, 'trace');
  const relay = new OutboxRelay(store, publisher, nats, nullLog);
  await relay.start();
  stack.defer(() => relay.stop(soon()));
  const bus = new SubjectBus(nats, nullLog);
  stack.use(bus.subscribe('hosts.*', { span: 'hear' }, () => undefined));
  const consumer = new DurableConsumer(
    nats,
    { stream, durable: 'listener' },
    () => {
      bus.publish('hosts.n', Buffer.from(''), carrier());
      return Promise.resolve();
    },
    nullLog,
  );
  await consumer.start();
  stack.defer(() => consumer.stop(soon()));

  await inSpan('call', { parent: 'root' }, () =>
    store.transact((tx) => {
      tx.emit({ subject: 'trace.event', payload: Buffer.from(''), headers: carrier() });
      return Promise.resolve();
    }, never),
  );

  const span = (name: string) => exporter.getFinishedSpans().find((ended) => ended.name === name);
  await eventually('all spans', () => span('hear') !== undefined && span('publish trace.event') !== undefined);
  const parents = ['redis.commit trace', 'publish trace.event', 'consume listener', 'hear'].map((name) => {
    const parent = span(name)?.parentSpanContext?.spanId;
    return [name, exporter.getFinishedSpans().find((ended) => ended.spanContext().spanId === parent)?.name];
  });
  expect(parents).toEqual([
    ['redis.commit trace', 'call'],
    ['publish trace.event', 'call'],
    ['consume listener', 'call'],
    ['hear', 'consume listener'],
  ]);
  expect(span('consume listener')?.kind).toBe(SpanKind.CONSUMER);
  expect(new Set(exporter.getFinishedSpans().map((ended) => ended.spanContext().traceId)).size).toBe(1);
});

import { afterEach, describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { otlpReceiver } from './otlp-receiver.ts';
import { telemetry } from './setup.ts';
import { type RecordedTelemetry, recordedTelemetry } from './spans.fixture.ts';
import { addEvent, carrier, currentTraceId, inSpan, withService } from './spans.ts';
import { TraceStore } from './trace-store.ts';

const soon = (): AbortSignal => AbortSignal.timeout(2_000);

let recorded: RecordedTelemetry | undefined;
afterEach(async () => {
  await recorded?.[Symbol.asyncDispose]();
  recorded = undefined;
});

describe('a span', () => {
  test('is the parent of what is done in it, awaited or not, and arrives whole', async () => {
    recorded = await recordedTelemetry();
    const traceId = await inSpan('outer', { kind: 'consumer', attributes: { 'weft.port.id': 'p1' } }, async (outer) => {
      await Promise.resolve();
      inSpan('first', {}, (span) => {
        addEvent(span, 'operation', { 'weft.command': 'bridge fdb replace' });
      });
      await inSpan('second', {}, () => Promise.resolve());
      return outer.spanContext().traceId;
    });
    const { spans } = await recorded.trace(traceId, 3);
    const [outer] = spans.filter(({ name }) => name === 'outer');
    expect(outer).toMatchObject({
      kind: 'consumer',
      service: 'weft-test',
      host: 'host-a',
      attributes: { 'weft.port.id': 'p1', 'weft.host.id': 'host-a' },
    });
    expect(outer?.parentSpanId).toBeUndefined();
    expect(spans.filter(({ parentSpanId }) => parentSpanId === outer?.spanId).map(({ name }) => name)).toEqual([
      'first',
      'second',
    ]);
    expect(spans.find(({ name }) => name === 'first')?.events).toMatchObject([
      { name: 'operation', attributes: { 'weft.command': 'bridge fdb replace' } },
    ]);
    expect(recorded.store.find({ attribute: 'weft.port.id', value: 'p1', limit: 5 })).toHaveLength(1);
  });

  test.each([
    ['throws', () => inSpan('fails', {}, fail)],
    ['rejects', () => inSpan('fails', {}, async () => Promise.resolve().then(fail))],
  ])('of work that %s says so, ends, and passes the error on', async (_, work) => {
    recorded = await recordedTelemetry();
    const traceId = await inSpan('outer', {}, async () => {
      await expect((async () => await work())()).rejects.toMatchObject({ reason: 'SUBNET_FULL' });
      return currentTraceId() ?? '';
    });
    const { spans } = await recorded.trace(traceId, 2);
    expect(spans.find(({ name }) => name === 'fails')).toMatchObject({
      status: { code: 'error', message: 'no address left' },
      attributes: { 'error.type': 'SUBNET_FULL' },
      events: [{ name: 'exception', attributes: { 'exception.message': 'no address left' } }],
    });
    expect(spans.find(({ name }) => name === 'outer')?.status.code).toBe('unset');
  });

  test('can continue a stored trace, or start its own and link to what caused it', async () => {
    recorded = await recordedTelemetry();
    const stored = inSpan('publish', { kind: 'producer' }, () => carrier());
    expect(Object.keys(stored)).toEqual(['traceparent', 'tracestate']);
    const cause = stored['traceparent']?.split('-')[1] ?? '';
    inSpan('consume', { parent: stored }, () => undefined);
    const own = inSpan('elsewhere', {}, () =>
      inSpan('apply', { parent: 'root', links: [stored, {}] }, (span) => span.spanContext().traceId),
    );
    expect(own).not.toBe(cause);
    expect((await recorded.trace(cause, 2)).spans.map(({ name }) => name)).toEqual(['publish', 'consume']);
    await recorded.trace(own, 1);
    expect(recorded.store.related(cause).map(({ traceId }) => traceId)).toEqual([own]);
    expect(recorded.store.related(own).map(({ traceId }) => traceId)).toEqual([cause]);
  });

  test('bears the service that works in its context', async () => {
    recorded = await recordedTelemetry();
    const traceId = await withService('weft-ipam', () =>
      inSpan('allocate', {}, async () => {
        await Promise.resolve();
        inSpan('script', { parent: carrier() }, () => undefined);
        return currentTraceId() ?? '';
      }),
    );
    const { spans } = await recorded.trace(traceId, 2);
    expect(spans.map(({ service }) => service)).toEqual(['weft-ipam', 'weft-ipam']);
  });
});

const fail = (): never => {
  throw new DomainError('exhausted', 'SUBNET_FULL', 'no address left');
};

test('without telemetry work runs all the same, without a trace', async () => {
  expect(inSpan('quiet', { links: [{ traceparent: 'nonsense' }] }, () => 7)).toBe(7);
  expect(await inSpan('quiet', {}, () => Promise.resolve(currentTraceId()))).toBeUndefined();
  expect(carrier()).toEqual({});
});

test('what is not sampled costs no span, and its callees follow', async () => {
  recorded = await recordedTelemetry({ sampleRatio: 0 });
  const stored = inSpan('unsampled', {}, () => carrier());
  expect(stored['traceparent']).toMatch(/-00$/);
  inSpan('callee', { parent: stored }, () => undefined);
  const kept = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';
  inSpan('sampled elsewhere', { parent: { traceparent: kept } }, () => undefined);
  await recorded.trace('0123456789abcdef0123456789abcdef', 1);
  expect(recorded.store.size.spans).toBe(1);
});

test('an endpoint that is no URL is refused, and nothing stays open', async () => {
  await using _leaks = leakCheck();
  const options = {
    service: 's',
    instance: 'i',
    metrics: { listen: '127.0.0.1:0' },
    otlpEndpoints: ['collector:4318'],
  };
  await expect(telemetry(options).start(soon())).rejects.toMatchObject({ code: 'invalid' });
});

test('collectors that cannot be reached are told of once, and once when they are back; the others get their spans', async () => {
  await using _leaks = leakCheck();
  const [here, gone] = [new TraceStore(), new TraceStore()];
  const [up, down] = [here, gone].map((store) => otlpReceiver({ listen: '127.0.0.1:0', store }));
  if (up === undefined || down === undefined) throw new Error('two receivers');
  await Promise.all([up.start(soon()), down.start(soon())]);
  const [upAddress = '', downAddress = ''] = [up.address, down.address];
  await down.stop(soon());
  const log = new MemoryLog();
  const sdk = telemetry({
    service: 's',
    instance: 'i',
    otlpEndpoints: [`http://${upAddress}`, `http://${downAddress}/`],
    exportDelayMs: 5,
    exportTimeoutMs: 100,
    log,
  });
  await sdk.start(soon());
  for (const name of ['one', 'two']) {
    inSpan(name, {}, () => undefined);
    await sdk.flush(soon());
  }
  expect(log.messages('warn')).toEqual(['spans cannot be exported']);
  const back = otlpReceiver({ listen: downAddress, store: gone });
  await back.start(soon());
  inSpan('three', {}, () => undefined);
  await eventually('the third span is where the first two are not', () => gone.size.spans === 1);
  await eventually('told', () => log.messages('info').length === 1);
  expect(log.messages('info')).toEqual(['spans are exported again']);
  expect(here.size.spans).toBe(3);
  await sdk.stop(soon());
  await Promise.all([up.stop(soon()), back.stop(soon())]);
});

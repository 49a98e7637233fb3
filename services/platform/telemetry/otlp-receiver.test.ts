import { request } from 'node:http';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { counter } from './instruments.ts';
import { type OtlpReceiver, otlpReceiver } from './otlp-receiver.ts';
import { parseTraces } from './otlp.ts';
import { TraceStore } from './trace-store.ts';

const soon = (): AbortSignal => AbortSignal.timeout(2_000);
const traceId = 'AB'.repeat(16);

const span = {
  traceId,
  spanId: '01'.repeat(8),
  parentSpanId: '',
  name: 'port.detect',
  kind: 1,
  startTimeUnixNano: '1800000000000000001',
  endTimeUnixNano: '1800000000000000002',
  attributes: [
    { key: 'weft.port.id', value: { stringValue: 'p1' } },
    { key: 'entries', value: { intValue: '12' } },
    { key: 'vast', value: { intValue: '9223372036854775807' } },
    { key: 'ratio', value: { doubleValue: 0.5 } },
    { key: 'done', value: { boolValue: true } },
    { key: 'weft.command', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
    { key: 'odd', value: { kvlistValue: { values: [] } } },
  ],
  events: [{ name: 'operation', timeUnixNano: '1800000000000000001', attributes: [] }],
  links: [{ traceId: 'cd'.repeat(16), spanId: '02'.repeat(8) }],
  status: { code: 2, message: 'failed' },
  unknownField: true,
};

const body = (...spans: readonly unknown[]): string =>
  JSON.stringify({
    resourceSpans: [
      {
        resource: {
          attributes: [
            { key: 'service.name', value: { stringValue: 'weft-agent' } },
            { key: 'weft.host.id', value: { stringValue: 'host-a' } },
            { key: 'telemetry.sdk.language', value: { stringValue: 'nodejs' } },
          ],
        },
        scopeSpans: [{ scope: { name: 'weft' }, spans }],
      },
    ],
  });

test('a span is read with all its parts', () => {
  expect(parseTraces(body(span))).toEqual([
    {
      traceId: 'ab'.repeat(16),
      spanId: '01'.repeat(8),
      name: 'port.detect',
      kind: 'internal',
      service: 'weft-agent',
      host: 'host-a',
      startUnixNano: 1_800_000_000_000_000_001n,
      endUnixNano: 1_800_000_000_000_000_002n,
      attributes: {
        'weft.host.id': 'host-a',
        'weft.port.id': 'p1',
        entries: 12,
        vast: '9223372036854775807',
        ratio: 0.5,
        done: true,
        'weft.command': ['a', 'b'],
        odd: '{"kvlistValue":{"values":[]}}',
      },
      events: [{ name: 'operation', timeUnixNano: 1_800_000_000_000_000_001n, attributes: {} }],
      links: [{ traceId: 'cd'.repeat(16), spanId: '02'.repeat(8), attributes: {} }],
      status: { code: 'error', message: 'failed' },
    },
  ]);
});

describe('the receiver', () => {
  let store: TraceStore;
  let receiver: OtlpReceiver;
  const extra: OtlpReceiver[] = [];

  const started = async (options: {
    readonly store: TraceStore;
    readonly forwardTo?: string;
  }): Promise<OtlpReceiver> => {
    const one = otlpReceiver({ listen: '127.0.0.1:0', ...options });
    await one.start(soon());
    extra.push(one);
    return one;
  };
  beforeEach(async () => {
    store = new TraceStore();
    receiver = await started({ store });
  });
  afterEach(async () => {
    await Promise.all(extra.splice(0).map((one) => one.stop(soon())));
  });

  const post = (text: string, init: RequestInit = {}, path = '/v1/traces', to = receiver): Promise<Response> =>
    fetch(`http://${to.address ?? ''}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: text,
      ...init,
    });

  test('takes what it understands', async () => {
    const answer = await post(body(span));
    expect([answer.status, await answer.json()]).toEqual([200, {}]);
    expect(store.get(traceId.toLowerCase())?.spans).toHaveLength(1);
  });

  const bad: readonly (readonly [string, string, string])[] = [
    ['no JSON', '{', 'not JSON'],
    ['a short id', body({ ...span, traceId: 'ab' }), 'resourceSpans.0.scopeSpans.0.spans.0.traceId'],
    ['a time that is none', body({ ...span, startTimeUnixNano: 'soon' }), 'startTimeUnixNano'],
    ['a negative time', body({ ...span, endTimeUnixNano: -1 }), 'endTimeUnixNano'],
    ['an attribute of the wrong type', body({ ...span, attributes: 7 }), 'attributes'],
    ['values nested beyond reason', `{"resourceSpans":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, ''],
  ];
  test.each(bad)('refuses %s, whole, and says where', async (_, text, where) => {
    const answer = await post(text);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(where);
    expect(store.size.spans).toBe(0);
    expect((await post(body(span))).status).toBe(200);
  });

  test('refuses a request of which one span of many is bad', async () => {
    expect((await post(body(span, { ...span, spanId: '' }))).status).toBe(400);
    expect(store.size.spans).toBe(0);
  });

  test('refuses what is not for it', async () => {
    expect((await post('', {}, '/v1/metrics')).status).toBe(404);
    expect((await fetch(`http://${receiver.address ?? ''}/v1/traces`)).status).toBe(405);
    expect((await post('x', { headers: { 'content-type': 'application/x-protobuf' } })).status).toBe(415);
    const gzip = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    expect((await post('x', { headers: gzip })).status).toBe(415);
  });

  test('refuses more than 8 MiB, announced or not', async () => {
    const announced = request(`http://${receiver.address ?? ''}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': 9 * 1_024 * 1_024 },
    });
    const status = new Promise((resolve) => {
      announced.on('response', (response) => {
        resolve(response.statusCode);
        announced.destroy();
      });
    });
    announced.on('error', () => undefined);
    announced.flushHeaders();
    expect(await status).toBe(413);
    // It ends: fetch goes on reading a body whose connection was closed, and would fill the memory with one without end.
    let left = 32;
    const chunks = new ReadableStream({
      pull: (controller) => {
        if (left-- > 0) controller.enqueue(new Uint8Array(1_024 * 1_024));
        else controller.close();
      },
    });
    const unannounced = post('', { body: chunks, duplex: 'half' });
    await unannounced.then(
      (answer) => {
        expect(answer.status).toBe(413);
      },
      () => undefined,
    );
    expect((await post(body(span))).status).toBe(200);
  });

  test('any JSON at all is answered with 200 or 400', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 6 }), async (text) => {
        expect([200, 400]).toContain((await post(text)).status);
      }),
      { numRuns: 50 },
    );
  });

  test('passes accepted requests on, and does not wait for a collector that is gone', async () => {
    const outcomes = counter('weft_traces_forwarded_requests', '');
    const before = ['ok', 'failed'].map((outcome) => outcomes.value({ outcome }));
    const first = await started({ store, forwardTo: `http://${receiver.address ?? ''}/` });
    const behind = new TraceStore();
    const second = await started({ store: behind });
    const chained = await started({ store: new TraceStore(), forwardTo: `http://${second.address ?? ''}` });
    expect((await post(body(span), {}, '/v1/traces', chained)).status).toBe(200);
    await eventually('it is there', () => behind.size.spans === 1);
    expect((await post('{', {}, '/v1/traces', chained)).status).toBe(400);
    await receiver.stop(soon());
    expect((await post(body(span), {}, '/v1/traces', first)).status).toBe(200);
    await eventually('both counted', () => outcomes.value({ outcome: 'failed' }) === (before[1] ?? 0) + 1);
    expect(outcomes.value({ outcome: 'ok' })).toBe((before[0] ?? 0) + 1);
  });
});

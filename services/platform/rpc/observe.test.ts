import { afterEach, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { telemetry } from '#platform/telemetry/setup.ts';
import { type RecordedTelemetry, recordedTelemetry } from '#platform/telemetry/spans.fixture.ts';
import { currentTraceId, inSpan } from '#platform/telemetry/spans.ts';
import { client } from './client.ts';
import { type CallContext, serverStream, unary } from './handlers.ts';
import { HEALTH_DEFINITION } from './health.ts';
import { collect, echoServer } from './rpc.fixture.ts';

let recorded: RecordedTelemetry | undefined;
afterEach(async () => {
  await recorded?.[Symbol.asyncDispose]();
  recorded = undefined;
});

const tracedFrom = (work: () => Promise<unknown>): Promise<string> =>
  inSpan('caller', {}, async () => {
    await work().catch(() => undefined);
    return currentTraceId() ?? '';
  });

test('a call is one trace from the caller into the handler and what it calls in turn', async () => {
  recorded = await recordedTelemetry();
  await using inner = await echoServer({}, { name: 'weft-inner' });
  const outer = await echoServer(
    {
      say: unary(async ({ text }, { traceId, signal }) => {
        expect(traceId).toBe(currentTraceId());
        return await inSpan('step', {}, () => inner.echo.say({ text }, { signal }));
      }),
    },
    { name: 'weft-outer' },
  );
  const traceId = await tracedFrom(() => outer.echo.say({ text: '' }));
  await outer[Symbol.asyncDispose]();
  const { spans } = await recorded.trace(traceId, 6);
  const path = [];
  for (let at = spans.find(({ parentSpanId }) => parentSpanId === undefined); at !== undefined;) {
    path.push(`${at.service} ${at.kind} ${at.name}`);
    const { spanId } = at;
    at = spans.find(({ parentSpanId }) => parentSpanId === spanId);
  }
  expect(path).toEqual([
    'weft-test internal caller',
    'weft-test client weft.echo.v1.EchoService/Say',
    'weft-outer server weft.echo.v1.EchoService/Say',
    'weft-outer internal step',
    'weft-outer client weft.echo.v1.EchoService/Say',
    'weft-inner server weft.echo.v1.EchoService/Say',
  ]);
  expect(spans.find(({ kind }) => kind === 'server')?.attributes).toMatchObject({
    'rpc.system.name': 'grpc',
    'rpc.method': 'weft.echo.v1.EchoService/Say',
    'rpc.response.status_code': 'OK',
  });
});

test('each message of a stream is made in the trace of the call', async () => {
  recorded = await recordedTelemetry();
  const ids = new Set<string | undefined>();
  await using edge = await echoServer({
    count: serverStream(async function* ({ to }) {
      for (let number = 0; number < to; number += 1) {
        ids.add(currentTraceId());
        yield await Promise.resolve({ number });
      }
    }),
  });
  const traceId = await tracedFrom(() => collect(edge.echo.count({ to: 3 })));
  expect([...ids]).toEqual([traceId]);
  await recorded.trace(traceId, 3);
});

test('what ends a call badly closes both spans and says how', async () => {
  recorded = await recordedTelemetry();
  const leave = new AbortController();
  await using edge = await echoServer({
    say: unary(({ text }) => {
      if (text === 'defect') throw new Error('it broke');
      if (text === 'leave') leave.abort();
      if (text === 'leave' || text === 'wait') return new Promise<never>(() => undefined);
      return Promise.reject(new DomainError('not_found', 'NO_TEXT', 'no such text'));
    }),
    count: serverStream(async function* (_: unknown, { signal }: CallContext) {
      yield { number: 0 };
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
    }),
  });
  const outcomes = async (work: () => Promise<unknown>): Promise<Record<string, unknown>> => {
    const { spans = [] } = (await recorded?.trace(await tracedFrom(work), 3)) ?? {};
    return Object.fromEntries(
      spans.map(({ kind, status, attributes }) => [kind, [attributes['rpc.response.status_code'], status.code]]),
    );
  };
  expect(await outcomes(() => edge.echo.say({ text: 'missing' }))).toMatchObject({
    client: ['NOT_FOUND', 'error'],
    server: ['NOT_FOUND', 'unset'],
  });
  expect(await outcomes(() => edge.echo.say({ text: 'defect' }))).toMatchObject({
    client: ['INTERNAL', 'error'],
    server: ['INTERNAL', 'error'],
  });
  // The client cancels at its deadline, which the server may or may not have noticed by then.
  const late = await outcomes(() => edge.echo.say({ text: 'wait' }, { timeoutMs: 200 }));
  expect(late).toMatchObject({ client: ['DEADLINE_EXCEEDED', 'error'] });
  expect([
    ['DEADLINE_EXCEEDED', 'error'],
    ['CANCELLED', 'unset'],
  ]).toContainEqual(late['server']);
  expect(await outcomes(() => edge.echo.say({ text: 'leave' }, { signal: leave.signal }))).toMatchObject({
    client: ['CANCELLED', 'error'],
    server: ['CANCELLED', 'unset'],
  });
  const leaving = async (): Promise<void> => {
    for await (const { number } of edge.echo.count({ to: 0 })) if (number === 0) break;
  };
  expect(await outcomes(leaving)).toMatchObject({ client: ['CANCELLED', 'unset'], server: ['CANCELLED', 'unset'] });
});

test('a defect’s text and the trace that the caller was told of are in the span', async () => {
  recorded = await recordedTelemetry();
  await using edge = await echoServer({
    say: unary(() => {
      throw new Error('it broke');
    }),
  });
  const failure = await edge.echo.say({ text: '' }).catch((thrown: unknown) => thrown as DomainError);
  const traceId = (failure as DomainError).details['trace_id'] ?? '';
  const { spans } = await recorded.trace(traceId, 2);
  expect(spans.find(({ kind }) => kind === 'server')).toMatchObject({
    status: { message: 'it broke' },
    events: [{ name: 'exception', attributes: { 'exception.message': 'it broke' } }],
  });
});

test('health checks begin no trace', async () => {
  recorded = await recordedTelemetry();
  await using edge = await echoServer();
  const health = client(HEALTH_DEFINITION, edge.address);
  await health.check({ service: '' });
  health.close();
  await edge.echo.say({ text: '' });
  await eventually('the echo has arrived', () => recorded?.store.size.spans === 2);
  const names = recorded.store.find({ attribute: 'weft.host.id', value: 'host-a', limit: 9 });
  expect(names.flatMap(({ spans }) => spans.map(({ service, kind }) => `${service} ${kind}`)).sort()).toEqual([
    'echo server',
    'weft-test client',
  ]);
});

test('calls are measured by method and code', async () => {
  const sdk = telemetry({ service: 's', instance: 'i', metrics: { listen: '127.0.0.1:0' } });
  await sdk.start(AbortSignal.timeout(1_000));
  await using edge = await echoServer({ say: unary(() => Promise.reject(new DomainError('conflict', 'R', 'm'))) });
  await edge.echo.say({ text: '' }).catch(() => undefined);
  const text = await (await fetch(`http://${sdk.metricsAddress ?? ''}/metrics`)).text();
  for (const side of ['server', 'client'])
    expect(text).toMatch(
      new RegExp(
        `^weft_rpc_${side}_duration_seconds_count\\{method="weft.echo.v1.EchoService/Say",code="ABORTED"\\} 1$`,
        'm',
      ),
    );
  await sdk.stop(AbortSignal.timeout(1_000));
});

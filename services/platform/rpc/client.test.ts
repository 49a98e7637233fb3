import { expect, expectTypeOf, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { nullLog } from '#platform/log/log.ts';
import {
  type GetTraceRequest,
  type ListTracesResponse,
  type Trace,
  TraceServiceService,
} from '#proto/weft/trace/v1/trace.ts';
import { client, type RpcClient } from './client.ts';
import { EchoDefinition } from './echo.fixture.ts';
import { service, unary } from './handlers.ts';
import { collect, echoServer, plainHandlers, temporaryFolder } from './rpc.fixture.ts';
import { rpcServer } from './server.ts';

test('has the types of generated code, on both sides', async () => {
  await using folder = await temporaryFolder();
  const address = `unix:${folder.path}/trace.sock`;
  const traces = service(TraceServiceService, {
    listTraces: unary((request) => Promise.resolve({ traces: [{ trace_id: request.object_id, spans: [] }] })),
    getTrace: unary((request) => Promise.resolve({ trace_id: request.trace_id, spans: [] })),
  });
  const server = rpcServer({ name: 'traces', listen: [address], services: [traces], log: nullLog });
  await server.start(AbortSignal.timeout(1_000));
  const generated = client(TraceServiceService, address);
  expectTypeOf<RpcClient<typeof TraceServiceService>['getTrace']>().parameter(0).toEqualTypeOf<GetTraceRequest>();
  expectTypeOf(generated.getTrace).returns.toEqualTypeOf<Promise<Trace>>();
  const listed: ListTracesResponse = await generated.listTraces({ object_kind: 'port', object_id: 'p1', page_size: 1 });
  expect(listed.traces.map(({ trace_id }) => trace_id)).toEqual(['p1']);
  generated.close();
  await server.stop(AbortSignal.timeout(1_000));
});

test('fails at once where nobody listens, and works when somebody does', async () => {
  await using folder = await temporaryFolder();
  const address = `unix:${folder.path}/late.sock`;
  const echo = client(EchoDefinition, address);
  const began = performance.now();
  await expect(echo.say({ text: '' })).rejects.toMatchObject({ code: 'unavailable' });
  expect(performance.now() - began).toBeLessThan(1_000);
  const services = [service(EchoDefinition, plainHandlers)];
  const server = rpcServer({ name: 'late', listen: [address], services, log: nullLog });
  await server.start(AbortSignal.timeout(1_000));
  await eventually('answered', () =>
    echo.say({ text: '' }).then(
      () => true,
      () => false,
    ),
  );
  echo.close();
  await server.stop(AbortSignal.timeout(1_000));
});

test('finds its server again after a restart', async () => {
  await using edge = await echoServer();
  expect(await edge.echo.say({ text: '1' })).toEqual({ text: '1' });
  await edge.server.stop(AbortSignal.timeout(1_000));
  await expect(edge.echo.say({ text: '2' })).rejects.toMatchObject({ code: 'unavailable' });
  await edge.server.start(AbortSignal.timeout(1_000));
  await eventually('answered again', () =>
    edge.echo.say({ text: '3' }).then(
      () => true,
      () => false,
    ),
  );
});

test('does not call when its signal has aborted before, and gives the reason back', async () => {
  await using edge = await echoServer();
  const reason = new DomainError('precondition', 'NOT_NOW', 'not now');
  await expect(edge.echo.say({ text: '' }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await expect(collect(edge.echo.count({ to: 1 }, { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
});

test('keeps its default deadline when only a signal is given', async () => {
  const say = unary(() => new Promise<never>(() => undefined));
  await using edge = await echoServer({ say }, {}, { timeoutMs: 30 });
  const open = new AbortController();
  await expect(edge.echo.say({ text: '' }, { signal: open.signal })).rejects.toMatchObject({ code: 'deadline' });
});

test('gives a stream a deadline where one is asked for', async () => {
  await using edge = await echoServer();
  await expect(collect(edge.echo.count({ to: 10_000_000 }, { timeoutMs: 50 }))).rejects.toMatchObject({
    code: 'deadline',
  });
});

test('a hundred calls at once are each answered with their own', async () => {
  await using edge = await echoServer();
  const texts = Array.from({ length: 100 }, (_, index) => index.toString());
  const answers = await Promise.all(texts.map((text) => edge.echo.say({ text })));
  expect(answers.map(({ text }) => text)).toEqual(texts);
});

test('closing cancels what runs and leaves nothing open', async () => {
  await using _leaks = leakCheck();
  await using edge = await echoServer({ say: unary(() => new Promise<never>(() => undefined)) });
  const said = expect(edge.echo.say({ text: '' }, { timeoutMs: 300 })).rejects.toBeInstanceOf(DomainError);
  edge.echo.close();
  await said;
  await expect(edge.echo.say({ text: '' })).rejects.toBeInstanceOf(DomainError);
});

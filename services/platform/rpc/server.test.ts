import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { client } from './client.ts';
import { EchoDefinition } from './echo.fixture.ts';
import { type CallContext, serverStream, unary } from './handlers.ts';
import { HEALTH_DEFINITION, NOT_SERVING, SERVING } from './health.ts';
import { collect, echoServer } from './rpc.fixture.ts';

const soon = (): AbortSignal => AbortSignal.timeout(2_000);
const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });

const sessionTo = (address: string): http2.ClientHttp2Session =>
  http2.connect('http://localhost', { createConnection: () => connect(address.slice('unix:'.length)) });

describe('a unary method', () => {
  test('answers', async () => {
    await using _leaks = leakCheck();
    await using edge = await echoServer();
    expect(await edge.echo.say({ text: 'weft' })).toEqual({ text: 'weft' });
  });

  test('that rejects with a DomainError gives the client the same one', async () => {
    await using edge = await echoServer({
      say: unary(({ text }) => Promise.reject(invalidField('text', text, 'is too short'))),
    });
    await expect(edge.echo.say({ text: '' })).rejects.toMatchObject({
      code: 'invalid',
      reason: 'INVALID_FIELD',
      violations: [{ field: 'text', description: '"" is too short' }],
    });
    expect(edge.log.messages('error')).toEqual([]);
  });

  test('that throws before its first await is mapped too, and what it threw stays in the log', async () => {
    await using edge = await echoServer({
      say: unary(() => {
        throw new Error('password is hunter2');
      }),
    });
    const failure = await edge.echo.say({ text: '' }).catch((thrown: unknown) => thrown as DomainError);
    expect(failure).toMatchObject({ code: 'internal' });
    const [line] = edge.log.lines.filter(({ level }) => level === 'error');
    expect(line?.fields['err']).toMatchObject({ message: 'password is hunter2' });
    expect((failure as DomainError).message).toBe(`internal error, trace ${String(line?.fields['trace_id'])}`);
  });

  test('whose answer cannot be encoded fails, and the process lives', async () => {
    await using edge = await echoServer({
      say: unary(() => Promise.resolve({ text: 1n as unknown as string })),
    });
    await expect(edge.echo.say({ text: '' })).rejects.toMatchObject({ code: 'internal' });
    expect(edge.log.messages('error')).toEqual(['answer cannot be encoded']);
    await expect(edge.echo.say({ text: '' })).rejects.toMatchObject({ code: 'internal' });
  });

  test('gets a deadline of the server when the client sets none', async () => {
    let seen: CallContext | undefined;
    const say = unary((_: unknown, context: CallContext) => {
      seen = context;
      return new Promise<never>(() => undefined);
    });
    await using edge = await echoServer({ say }, { unaryDeadlineMs: 30 });
    await expect(edge.echo.say({ text: '' }, { timeoutMs: Infinity })).rejects.toMatchObject({
      code: 'deadline',
      message: 'weft.echo.v1.EchoService/Say: not done within 30 ms',
    });
    expect(seen?.signal.reason).toMatchObject({ code: 'deadline' });
  });

  test('learns that the client has given up, or that its deadline has passed', async () => {
    const reasons: unknown[] = [];
    let arrived = 0;
    const say = unary(async (_: unknown, { signal }: CallContext) => {
      arrived += 1;
      await never(signal).catch((reason: unknown) => reasons.push(reason));
      return { text: '' };
    });
    await using edge = await echoServer({ say });
    // By hand, since clients cancel at their own deadline and may be first.
    const session = sessionTo(edge.address);
    const headers = { 'grpc-timeout': '30m', te: 'trailers', 'content-type': 'application/grpc' };
    const late = session.request({ ':method': 'POST', ':path': EchoDefinition.say.path, ...headers });
    late.end(Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]));
    const [answer] = (await once(late, 'response')) as [http2.IncomingHttpHeaders];
    expect(Number(answer['grpc-status'])).toBe(status.DEADLINE_EXCEEDED);
    session.close();
    const leave = new AbortController();
    const left = expect(edge.echo.say({ text: '' }, { signal: leave.signal })).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'CANCELLED',
    });
    await eventually('the second call is there', () => arrived === 2);
    leave.abort();
    await left;
    await eventually('both handlers told', () => reasons.length === 2);
    expect(reasons).toMatchObject([{ code: 'deadline' }, { reason: 'CANCELLED' }]);
  });

  test('knows its method, its peer and a trace', async () => {
    let seen: Partial<CallContext> = {};
    const say = unary((_: unknown, { method, peer, identity, traceId }: CallContext) => {
      seen = { method, peer, identity, traceId };
      return Promise.resolve({ text: '' });
    });
    await using edge = await echoServer({ say });
    await edge.echo.say({ text: '' });
    expect(seen).toEqual({
      method: 'weft.echo.v1.EchoService/Say',
      peer: 'unix',
      identity: undefined,
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
  });
});

describe('a streaming method', () => {
  test('sends all it has, in order', async () => {
    await using edge = await echoServer();
    expect((await collect(edge.echo.count({ to: 500 }))).map(({ number }) => number)).toEqual([...Array(500).keys()]);
  });

  test('fails with what its iteration throws, after what it had sent', async () => {
    const count = serverStream(async function* () {
      yield await Promise.resolve({ number: 1 });
      throw new DomainError('out_of_range', 'HISTORY_GONE', 'take a snapshot');
    });
    await using edge = await echoServer({ count });
    const seen: number[] = [];
    const all = (async () => {
      for await (const { number } of edge.echo.count({ to: 2 })) seen.push(number);
    })();
    await expect(all).rejects.toMatchObject({ code: 'out_of_range', reason: 'HISTORY_GONE' });
    expect(seen).toEqual([1]);
  });

  test('is asked for no more than the client takes, and closed when the client leaves', async () => {
    let made = 0;
    let closed = false;
    const padding = 'x'.repeat(64 * 1_024);
    const count = serverStream(async function* () {
      try {
        for (;;) {
          made += 1;
          yield await Promise.resolve({ number: made, padding });
        }
      } finally {
        closed = true;
      }
    });
    await using edge = await echoServer({ count });
    for await (const { number } of edge.echo.count({ to: 0 })) {
      if (number === 1) await new Promise((resolve) => setTimeout(resolve, 100));
      if (number === 3) break;
    }
    expect(made).toBeLessThan(200);
    await eventually('the iteration is closed', () => closed);
  });

  test('that waits is woken when the client leaves', async () => {
    let woken = false;
    const count = serverStream(async function* (_: unknown, { signal }: CallContext) {
      yield { number: 0 };
      await never(signal).catch(() => {
        woken = true;
      });
    });
    await using edge = await echoServer({ count });
    const leave = new AbortController();
    const all = (async () => {
      for await (const { number } of edge.echo.count({ to: 0 }, { signal: leave.signal }))
        if (number === 0) leave.abort();
    })();
    await expect(all).rejects.toMatchObject({ code: 'unavailable', reason: 'CANCELLED' });
    await eventually('woken', () => woken);
  });
});

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

describe('input that is no request', () => {
  const raw = (channel: Client, path: string, bytes: Buffer): Promise<ServiceError> =>
    new Promise((resolve, reject) => {
      const same = (value: Buffer): Buffer => value;
      channel.makeUnaryRequest(path, same, same, bytes, (error) => {
        if (error === null) reject(new Error('was taken'));
        else resolve(error);
      });
    });

  test('is refused as the client’s fault, and the next call is served', async () => {
    await using edge = await echoServer();
    const channel = new Client(edge.address, credentials.createInsecure());
    for (const bytes of [Buffer.from('{'), Buffer.alloc(0), Buffer.from([0xff, 0x00])])
      expect(await raw(channel, EchoDefinition.say.path, bytes)).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await raw(channel, '/weft.echo.v1.EchoService/Nothing', Buffer.alloc(0))).toMatchObject({
      code: status.UNIMPLEMENTED,
    });
    channel.close();
    expect(await edge.echo.say({ text: 'still here' })).toEqual({ text: 'still here' });
  });

  test('is refused when it is no gRPC at all', async () => {
    await using edge = await echoServer();
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      randomBytes(4_096),
      Buffer.from(PREFACE),
      Buffer.from(`${PREFACE}\0\0\xff`),
    ]) {
      const socket = connect(edge.address.slice('unix:'.length));
      socket.on('error', () => undefined);
      socket.end(bytes);
      await once(socket.resume(), 'close');
    }
    expect(await edge.echo.say({ text: 'still here' })).toEqual({ text: 'still here' });
  });

  test('is refused when its frames are not what they announce', async () => {
    await using edge = await echoServer();
    const session = sessionTo(edge.address);
    const frames = [
      Buffer.from([1, 0, 0, 0, 2, 0xff, 0xff]),
      Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]),
      Buffer.from([0, 0, 0, 0, 9, 1]),
      Buffer.alloc(0),
    ];
    for (const frame of frames) {
      const headers = { 'grpc-encoding': 'gzip', 'grpc-timeout': frame.length === 0 ? 'soon' : '200m', te: 'trailers' };
      const stream = session.request({
        ':method': 'POST',
        ':path': EchoDefinition.say.path,
        'content-type': 'application/grpc',
        ...headers,
      });
      stream.on('error', () => undefined);
      stream.end(frame);
      await once(stream.resume(), 'close');
    }
    session.close();
    expect(await edge.echo.say({ text: 'still here' })).toEqual({ text: 'still here' });
  });

  test('is refused when it is too large', async () => {
    await using edge = await echoServer({}, { maxMessageBytes: 1_000 });
    await expect(edge.echo.say({ text: 'x'.repeat(2_000) })).rejects.toMatchObject({ code: 'exhausted' });
    expect(await edge.echo.say({ text: 'x' })).toEqual({ text: 'x' });
  });
});

describe('stopping', () => {
  test('ends streams at once, lets unary calls finish, takes no new ones', async () => {
    await using _leaks = leakCheck();
    const gate = Promise.withResolvers<{ text: string }>();
    let streaming = false;
    await using edge = await echoServer({
      say: unary(() => gate.promise),
      count: serverStream(async function* (_: unknown, { signal }: CallContext) {
        streaming = true;
        yield { number: 0 };
        await never(signal);
      }),
    });
    const said = edge.echo.say({ text: '' });
    const counted = collect(edge.echo.count({ to: 0 }));
    const failed = expect(counted).rejects.toMatchObject({ code: 'unavailable', reason: 'SHUTTING_DOWN' });
    await eventually('streaming', () => streaming);
    const stopped = edge.server.stop(soon());
    await failed;
    gate.resolve({ text: 'finished' });
    expect(await said).toEqual({ text: 'finished' });
    await stopped;
    await expect(edge.echo.say({ text: '' })).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('cuts off what does not end by its deadline', async () => {
    let told = false;
    const say = unary((_: unknown, { signal }: CallContext) => {
      signal.addEventListener('abort', () => {
        told = true;
      });
      return new Promise<never>(() => undefined);
    });
    await using edge = await echoServer({ say });
    const said = expect(edge.echo.say({ text: '' })).rejects.toMatchObject({ code: 'unavailable' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const began = performance.now();
    await edge.server.stop(AbortSignal.timeout(50));
    expect(performance.now() - began).toBeLessThan(500);
    await said;
    expect(told).toBe(true);
    expect(edge.log.messages('warn')).toEqual(['handlers outlive the server']);
  });
});

describe('health', () => {
  test('is told per service, watched, and follows setServing', async () => {
    await using edge = await echoServer();
    const health = client(HEALTH_DEFINITION, edge.address);
    expect(await health.check({ service: '' })).toEqual({ status: SERVING });
    expect(await health.check({ service: 'weft.echo.v1.EchoService' })).toEqual({ status: SERVING });
    await expect(health.check({ service: 'weft.other.v1.Other' })).rejects.toMatchObject({ code: 'not_found' });
    const seen: number[] = [];
    for await (const { status: now } of health.watch({ service: '' })) {
      seen.push(now);
      if (now === SERVING) edge.server.setServing(false);
      else break;
    }
    expect(seen).toEqual([SERVING, NOT_SERVING]);
    health.close();
  });
});

test('whom `authorise` refuses gets nowhere', async () => {
  let reached = 0;
  await using edge = await echoServer(
    {
      say: unary(({ text }) => {
        reached += 1;
        return Promise.resolve({ text });
      }),
    },
    {
      authorise: (identity, method) => {
        if (identity === undefined) throw new DomainError('denied', 'NOT_ALLOWED', `${method} is not for everybody`);
      },
    },
  );
  await expect(edge.echo.say({ text: '' })).rejects.toMatchObject({ code: 'denied', reason: 'NOT_ALLOWED' });
  expect(reached).toBe(0);
});

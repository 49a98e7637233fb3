import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { echoServer } from './rpc.fixture.ts';
import { serverTime } from './server-time.ts';

const bytes = (value: Buffer): Buffer => value;
const definition = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
} as const;

let liar: Server | undefined;
afterEach(() => {
  liar?.forceShutdown();
  liar = undefined;
});

/** A server whose answers bear this date. */
const serverAt = async (date: () => string): Promise<string> => {
  const server = new Server();
  liar = server;
  server.addService(definition, {
    check: (
      call: { sendMetadata: (metadata: Metadata) => void },
      answer: (error: null, value: Buffer) => void,
    ): void => {
      const metadata = new Metadata();
      metadata.set('date', date());
      call.sendMetadata(metadata);
      answer(null, Buffer.alloc(0));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return `127.0.0.1:${port.toString()}`;
};

const soon = (): AbortSignal => AbortSignal.timeout(5_000);

test("a server of ours tells its time, and on one machine that is this process' own", async () => {
  await using echo = await echoServer();
  const { aheadMs, uncertaintyMs } = await serverTime(echo.address, soon());
  expect(Math.abs(aheadMs)).toBeLessThanOrEqual(uncertaintyMs);
  expect(uncertaintyMs).toBeLessThan(1_000);
});

test.each([90_000, -3_600_000])('a clock that is off by %d ms is known to be', async (offset) => {
  const address = await serverAt(() => new Date(Date.now() + offset).toUTCString());
  const { aheadMs, uncertaintyMs } = await serverTime(address, soon());
  expect(Math.abs(aheadMs - offset)).toBeLessThanOrEqual(uncertaintyMs);
});

test('a server that says nothing of the kind is an error, and so is none', async () => {
  const address = await serverAt(() => 'today');
  await expect(serverTime(address, soon())).rejects.toMatchObject({ reason: 'NO_SERVER_DATE' });
  await expect(serverTime('unix:/nowhere.sock', soon())).rejects.toMatchObject({ code: 'unavailable' });
});

import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { datedServer } from '#platform/testing/dated-server.ts';
import { echoServer } from './rpc.fixture.ts';
import { serverTime } from './server-time.ts';

let liar: Server | undefined;
afterEach(() => {
  liar?.forceShutdown();
  liar = undefined;
});

/** A server whose answers bear this date. */
const serverAt = async (date: () => string): Promise<string> => {
  const server = datedServer(date);
  liar = server;
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

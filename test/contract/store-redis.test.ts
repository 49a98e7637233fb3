import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import { type RealServer, startRedis, temporaryDirectory } from '../support/real-servers.ts';
import { storeContract } from './store.contract.ts';

const stack = new AsyncDisposableStack();
let server: RealServer;

beforeAll(async () => {
  const dir = stack.use(await temporaryDirectory());
  // What the contract says does not depend on the disk.
  server = stack.use(await startRedis(dir.path, { fsync: 'no' }));
});

afterAll(() => stack.disposeAsync());

storeContract('redis', async () => {
  const connection = new RedisConnection({ url: server.url }, nullLog);
  await connection.start(new AbortController().signal);
  return {
    store: new RedisStore(connection, randomUUID()),
    passSeconds: (seconds) => wait(seconds * 1_000),
    [Symbol.asyncDispose]: () => connection.stop(),
  };
});

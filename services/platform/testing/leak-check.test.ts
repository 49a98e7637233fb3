import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { leakCheck } from './leak-check.ts';

const within = async (work: () => Promise<void>): Promise<void> => {
  await using _ = leakCheck(50);
  await work();
};

test('finds a server that nobody closed, and is content once somebody does', async () => {
  const server = createServer();
  await expect(
    within(async () => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }),
  ).rejects.toThrow('1 × TCPServerWrap');
  server.close();
  await once(server, 'close');
});

test('finds a timer that still runs', async () => {
  let timer: NodeJS.Timeout | undefined;
  await expect(
    within(() => {
      timer = setTimeout(() => undefined, 60_000);
      return Promise.resolve();
    }),
  ).rejects.toThrow('1 × Timeout');
  clearTimeout(timer);
});

test('gives what is closing the time to do so', async () => {
  await within(async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });
});

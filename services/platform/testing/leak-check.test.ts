import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
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
  ).rejects.toThrow('left open: TCPSERVERWRAP');
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
  ).rejects.toThrow('left open: Timeout');
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

test('is content with what was opened and closed again, with what is unref’d, and with what others hold', async () => {
  const theirs = setTimeout(() => undefined, 60_000);
  await within(async () => {
    setTimeout(() => undefined, 60_000).unref();
    await sleep(1, new AbortController().signal);
    const child = spawn('/bin/true', { stdio: 'pipe' });
    await once(child, 'close');
  });
  clearTimeout(theirs);
});

test('finds a child process', async () => {
  let child: ChildProcess | undefined;
  await expect(
    within(async () => {
      child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
      await once(child, 'spawn');
    }),
  ).rejects.toThrow('left open: PROCESSWRAP');
  child?.kill();
});

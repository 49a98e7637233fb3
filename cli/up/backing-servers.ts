import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import type { Log } from '#platform/log/log.ts';
import { Supervised } from './supervised.ts';

const POLL_MS = 15;

/** Resolves once something accepts connections there: a path is a unix socket, else `host:port`. */
export const accepts = async (address: string, signal: AbortSignal): Promise<void> => {
  for (;;) {
    signal.throwIfAborted();
    if (await acceptsNow(address)) return;
    await sleep(POLL_MS, signal);
  }
};

/** Whether something accepts connections there now. */
export const acceptsNow = async (address: string): Promise<boolean> => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = address.startsWith('/')
    ? connect(address)
    : connect(Number(address.slice(address.lastIndexOf(':') + 1)), hostOf(address));
  socket.once('connect', () => {
    resolve(true);
  });
  socket.once('error', () => {
    resolve(false);
  });
  const accepted = await promise;
  socket.destroy();
  return accepted;
};

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');

/** redis-server with an append-only file, on a unix socket only. */
export const redisChild = async (
  dataDir: string,
  fsync: 'always' | 'everysec',
  log: Log,
): Promise<Supervised & { readonly socket: string }> => {
  const dir = join(dataDir, 'redis');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const socket = join(dataDir, 'redis.sock');
  const child = new Supervised({
    name: 'redis-server',
    argv: [
      'redis-server',
      ...['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700'],
      ...['--dir', dir, '--appendonly', 'yes', '--appendfsync', fsync, '--save', ''],
      ...['--daemonize', 'no', '--maxmemory-policy', 'noeviction'],
    ],
    logFile: join(dataDir, 'redis.log'),
    // A server that still reads its append-only file accepts, and answers LOADING: its clients wait by themselves.
    ready: async (signal) => accepts(socket, signal),
    log,
  });
  return Object.assign(child, { socket });
};

/** nats-server with JetStream on disk. */
export const natsChild = async (dataDir: string, listen: string, log: Log): Promise<Supervised> => {
  const dir = join(dataDir, 'nats');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const config = join(dataDir, 'nats.conf');
  const text = [
    `listen: ${JSON.stringify(listen)}`,
    'server_name: weft',
    `jetstream { store_dir: ${JSON.stringify(dir)} }`,
    'max_payload: 8MB',
    'ping_interval: "10s"',
    'write_deadline: "10s"',
  ];
  await writeFile(config, `${text.join('\n')}\n`, { mode: 0o600 });
  return new Supervised({
    name: 'nats-server',
    argv: ['nats-server', '-c', config],
    logFile: join(dataDir, 'nats.log'),
    ready: async (signal) => accepts(listen, signal),
    log,
  });
};

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ServerProcess, startServer } from './server-process.ts';

/** A real server of a test's own, on a private socket or port, with its data in a directory. */
export interface RealServer extends AsyncDisposable {
  /** How clients reach it; the same after a restart. */
  readonly url: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** Ends it as a crash would. */
  kill9(): Promise<void>;
  /** Stops it without ending it (SIGSTOP); it keeps its connections and says nothing. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same data; ends it gently before when it still runs. */
  restart(): Promise<void>;
}

export interface RedisServerOptions {
  /** Whether a commit waits for the disk; `always` unless told otherwise. */
  readonly fsync?: 'always' | 'everysec' | 'no';
}

/** A directory that goes with its scope: `await using dir = await temporaryDirectory()`. */
export const temporaryDirectory = async (): Promise<AsyncDisposable & { readonly path: string }> => {
  const made = await mkdtemp(path.join(tmpdir(), 'weft-test-'));
  return { path: made, [Symbol.asyncDispose]: () => rm(made, { recursive: true, force: true }) };
};

/** redis-server on a unix socket in `dir` (keep the path short), with its append-only file there. */
export const startRedis = async (dir: string, options: RedisServerOptions = {}): Promise<RealServer> => {
  await mkdir(dir, { recursive: true });
  const socket = path.join(dir, 'redis.sock');
  const settings = {
    port: '0',
    unixsocket: socket,
    dir,
    save: '',
    appendonly: 'yes',
    appendfsync: options.fsync ?? 'always',
  };
  const argv = ['redis-server', ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])] as const;
  // While it reads its file back it listens and answers LOADING.
  return await supervise(socket, () => startServer([...argv], () => says({ path: socket }, 'PING\r\n', '+PONG')));
};

/** nats-server with JetStream on a free port of the loopback, with its store in `dir`. */
export const startNats = async (dir: string): Promise<RealServer> => {
  const port = await freePort();
  return await supervise(`nats://127.0.0.1:${port.toString()}`, () => startNatsOn(port, dir));
};

/** A place for a NATS server that is not there yet: `start` brings it up. */
export const reserveNats = async (
  dir: string,
): Promise<{ readonly url: string; readonly start: () => Promise<RealServer> }> => {
  const port = await freePort();
  const url = `nats://127.0.0.1:${port.toString()}`;
  return { url, start: () => supervise(url, () => startNatsOn(port, dir)) };
};

const startNatsOn = async (port: number, dir: string): Promise<ServerProcess> => {
  await mkdir(dir, { recursive: true });
  const file = path.join(dir, 'nats.conf');
  await writeFile(
    file,
    [`host: 127.0.0.1`, `port: ${port.toString()}`, `jetstream { store_dir: ${JSON.stringify(dir)} }`].join('\n'),
  );
  return await startServer(['nats-server', '-c', file], () =>
    says({ host: '127.0.0.1', port }, 'CONNECT {"verbose":false}\r\nPING\r\n', 'PONG'),
  );
};

/** A server that is started, ended and started again by `start`; it runs when this resolves. */
export const supervise = async (url: string, start: () => Promise<ServerProcess>): Promise<RealServer> => {
  let running: ServerProcess | undefined = await start();
  const current = (): ServerProcess => {
    if (running === undefined) throw new Error(`the server at ${url} does not run`);
    return running;
  };
  const end = async (how: 'kill9' | 'terminate'): Promise<void> => {
    const ending = running;
    running = undefined;
    await ending?.[how]();
  };
  return {
    url,
    get pid() {
      return current().pid;
    },
    kill9: () => end('kill9'),
    pause: () => {
      current().pause();
    },
    resume: () => {
      current().resume();
    },
    restart: async () => {
      await end('terminate');
      running = await start();
    },
    [Symbol.asyncDispose]: () => end('kill9'),
  };
};

/** Whether the server answers `question` with a text that holds `answer`. */
const says = async (
  where: { readonly path: string } | { readonly host: string; readonly port: number },
  question: string,
  answer: string,
): Promise<boolean> => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(where);
  let heard = '';
  socket.setTimeout(500, () => {
    resolve(false);
  });
  socket.on('connect', () => {
    socket.write(question);
  });
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString();
    if (heard.includes(answer)) resolve(true);
  });
  socket.on('error', () => {
    resolve(false);
  });
  socket.on('close', () => {
    resolve(false);
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
};

const freePort = async (): Promise<number> => {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => {
      if (address !== null && typeof address === 'object') resolve(address.port);
      else reject(new Error('no port was given'));
    });
  });
  return await promise;
};

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MemoryLog } from '#platform/testing/memory-log.ts';
import { client, type RpcClient, type RpcClientOptions } from './client.ts';
import { EchoDefinition } from './echo.fixture.ts';
import { type Handlers, serverStream, service, unary } from './handlers.ts';
import { type RpcServer, rpcServer, type RpcServerOptions } from './server.ts';

export type EchoHandlers = Handlers<typeof EchoDefinition>;

/** Say echoes, Count counts. */
export const plainHandlers: EchoHandlers = {
  say: unary(({ text }) => Promise.resolve({ text })),
  count: serverStream(async function* ({ to }) {
    for (let number = 0; number < to; number += 1) yield await Promise.resolve({ number });
  }),
};

export interface Echo extends AsyncDisposable {
  readonly server: RpcServer;
  readonly echo: RpcClient<typeof EchoDefinition>;
  readonly address: string;
  readonly log: MemoryLog;
  readonly folder: string;
}

/** All of a stream. */
export const collect = async <T>(stream: AsyncIterable<T>): Promise<readonly T[]> => {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
};

/** A folder that goes with its scope. */
export const temporaryFolder = async (): Promise<AsyncDisposable & { readonly path: string }> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'weft-rpc-'));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
};

/** An echo server on a unix socket and a client of it, both gone at the end of the scope. */
export const echoServer = async (
  handlers: Partial<EchoHandlers> = {},
  options: Partial<RpcServerOptions> = {},
  clientOptions: RpcClientOptions = {},
): Promise<Echo> => {
  const folder = await temporaryFolder();
  const log = new MemoryLog();
  const address = `unix:${folder.path}/echo.sock`;
  const services = [service(EchoDefinition, { ...plainHandlers, ...handlers })];
  const server = rpcServer({ name: 'echo', listen: [address], services, log, ...options });
  await server.start(AbortSignal.timeout(2_000));
  const echo = client(EchoDefinition, server.addresses[0] ?? address, clientOptions);
  return {
    server,
    echo,
    address,
    log,
    folder: folder.path,
    [Symbol.asyncDispose]: async () => {
      echo.close();
      await server.stop(AbortSignal.timeout(500));
      await folder[Symbol.asyncDispose]();
    },
  };
};

import { chmod, lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { DomainError, invalidField, toError } from '#platform/errors/domain-error.ts';

/** Contents of PEM files. */
export interface TlsFiles {
  /** Who may have signed the other side's certificate. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

// sockaddr_un.sun_path holds 108 bytes with the terminating zero.
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Binds `unix:/path` or `host:port` and resolves to the address as bound. A socket file that nobody listens on any more is
 * removed first; the new one is open to its owner and group (0660). TLS is for TCP alone: who may open the file is the
 * file system's to say. DomainError `precondition` when the address cannot be had.
 */
export const bind = async (server: Server, address: string, tls: TlsFiles | undefined): Promise<string> => {
  const path = socketPath(address);
  if (path === undefined) {
    const port = await bound(server, address, tls === undefined ? ServerCredentials.createInsecure() : mutual(tls));
    return address.replace(/\d+$/, port.toString());
  }
  await removeStale(path);
  await bound(server, address, ServerCredentials.createInsecure());
  await chmod(path, 0o660);
  return address;
};

const socketPath = (address: string): string | undefined => {
  if (!address.startsWith('unix:')) {
    if (!/:\d{1,5}$/.test(address)) throw invalidField('listen', address, 'is neither unix:/path nor host:port');
    return undefined;
  }
  const path = address.slice('unix:'.length);
  if (!path.startsWith('/')) throw invalidField('listen', address, 'must be an absolute path');
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    throw invalidField(
      'listen',
      address,
      `is longer than the ${MAX_SOCKET_PATH_BYTES.toString()} bytes of a socket's path`,
    );
  return path;
};

const mutual = ({ ca, cert, key }: TlsFiles): ServerCredentials =>
  ServerCredentials.createSsl(
    Buffer.from(ca),
    [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }],
    true,
  );

const bound = (server: Server, address: string, credentials: ServerCredentials): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(cannotListen(address, error));
    });
  });

const removeStale = async (path: string): Promise<void> => {
  const file = await lstat(path).catch(() => undefined);
  if (file === undefined) return;
  if (!file.isSocket()) throw cannotListen(`unix:${path}`, new Error('the file exists and is no socket'));
  if (await answers(path)) throw cannotListen(`unix:${path}`, new Error('another process listens there'));
  await unlink(path);
};

/** Does anybody accept connections there? Only a refusal proves that nobody does. */
const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ path, timeout: 1_000 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => {
      end(true);
    });
    socket.once('timeout', () => {
      end(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      end(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });

const cannotListen = (address: string, cause: unknown): DomainError =>
  new DomainError('precondition', 'CANNOT_LISTEN', `cannot listen on ${address}: ${toError(cause).message}`, { cause });

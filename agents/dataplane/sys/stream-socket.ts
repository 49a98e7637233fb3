import { connect } from 'node:net';
import { DomainError, toError } from '#platform/errors/domain-error.ts';

/** A connected stream of bytes; whoever dialled it closes it. */
export interface ByteStream {
  /** Hands the bytes to the kernel in order; what cannot be written ends the stream, told by `closed`. */
  write(bytes: Uint8Array): void;
  /** Ends it; `closed` is not called any more. Harmless when it has ended already. */
  close(): void;
}

/** What a stream tells of itself. */
export interface StreamHandlers {
  /** Bytes as they come: cut anywhere. */
  data(chunk: Buffer): void;
  /** It ended and nobody here closed it; called once. */
  closed(reason: Error): void;
}

/** Connects to a unix socket. Rejects with `unavailable` when nobody listens there, or when `signal` aborts first. */
export type Dial = (path: string, handlers: StreamHandlers, signal: AbortSignal) => Promise<ByteStream>;

/** `Dial` on this machine's unix sockets. */
export const dialUnix: Dial = async (path, handlers, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<ByteStream>();
  const socket = connect({ path });
  let state: 'connecting' | 'open' | 'ended' = 'connecting';
  const end = (reason: Error): void => {
    const before = state;
    state = 'ended';
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
    if (before === 'open') handlers.closed(reason);
    else if (before === 'connecting') {
      reject(
        new DomainError('unavailable', 'SOCKET_UNREACHABLE', `cannot connect to ${path}: ${reason.message}`, {
          details: { path },
          cause: reason,
        }),
      );
    }
  };
  const onAbort = (): void => {
    end(toError(signal.reason));
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', () => {
    if (state !== 'connecting') return;
    state = 'open';
    signal.removeEventListener('abort', onAbort);
    resolve({
      write: (bytes) => {
        if (state === 'open') socket.write(bytes);
      },
      close: () => {
        state = 'ended';
        socket.destroy();
      },
    });
  });
  socket.on('data', (chunk: Buffer) => {
    if (state === 'open') handlers.data(chunk);
  });
  socket.on('error', end);
  socket.on('close', () => {
    if (state !== 'ended') end(new Error(`${path} was closed by the other side`));
  });
  return await promise;
};

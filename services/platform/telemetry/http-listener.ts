import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DomainError, invalidField, toError } from '#platform/errors/domain-error.ts';

/** Answers one request; what it throws becomes 500 with no text. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** A small HTTP/1.1 server, listening. */
export interface HttpListener {
  /** `host:port` as bound. */
  readonly address: string;
  /** Ends idle connections at once and busy ones with their answer, or when `signal` aborts. */
  close(signal: AbortSignal): Promise<void>;
}

/** Host and port of `127.0.0.1:4318` or `[::1]:4318`; DomainError `invalid` for anything else. */
const parseHostPort = (text: string): { readonly host: string; readonly port: number } => {
  const parts = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^\s:[\]]+)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const host = parts?.['v6'] ?? parts?.['host'];
  const port = Number(parts?.['port']);
  if (host === undefined || !(port <= 65_535)) throw invalidField('address', text, 'is not host:port');
  return { host, port };
};

/** Listens on `address` (port 0: any free one). DomainError `precondition` when it cannot. */
export const listenHttp = async (address: string, handle: HttpHandler): Promise<HttpListener> => {
  const { host, port } = parseHostPort(address);
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 2_000 },
    (request, response) => void answered(handle, request, response),
  );
  await listening(server, host, port);
  const bound = server.address() as AddressInfo; // a TCP server that listens has one
  return {
    address:
      bound.family === 'IPv6'
        ? `[${bound.address}]:${bound.port.toString()}`
        : `${bound.address}:${bound.port.toString()}`,
    close: (signal) => closed(server, signal),
  };
};

const answered = async (handle: HttpHandler, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  try {
    await handle(request, response);
  } catch {
    if (!response.headersSent) response.writeHead(500);
    response.end();
  }
};

const listening = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const text = `cannot listen on ${host}:${port.toString()}: ${toError(error).message}`;
      reject(new DomainError('precondition', 'CANNOT_LISTEN', text, { cause: error }));
    });
    server.listen(port, host, resolve);
  });

const closed = (server: Server, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const force = (): void => {
      server.closeAllConnections();
    };
    server.close(() => {
      signal.removeEventListener('abort', force);
      resolve();
    });
    server.closeIdleConnections();
    if (signal.aborted) force();
    else signal.addEventListener('abort', force, { once: true });
  });

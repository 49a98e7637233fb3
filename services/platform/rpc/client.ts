import {
  Client,
  type ClientOptions,
  credentials,
  type ChannelCredentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { context } from '@opentelemetry/api';
import { follow } from '#platform/async/follow.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { MethodShape, RequestOf, ResponseOf, ServiceShape } from './definition.ts';
import type { TlsFiles } from './listen.ts';
import './grpc-log.ts';
import { methodOf, observeClientCall } from './observe.ts';
import { fromServiceError } from './status.ts';

export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Deadline in milliseconds from now; the server is told. */
  readonly timeoutMs?: number;
}

export interface RpcClientOptions {
  /** Deadline of unary calls without one of their own; 10,000 ms unless told otherwise. */
  readonly timeoutMs?: number;
  /** Mutual TLS. `serverName` is the DNS name expected in the server's certificate where it differs from the address. */
  readonly tls?: TlsFiles & { readonly serverName?: string };
  /** Largest message taken or sent; 16 MiB unless told otherwise. */
  readonly maxMessageBytes?: number;
}

/**
 * A service's methods as functions. A unary method resolves to its answer; a streaming one is called when its iteration
 * begins and cancelled when that ends early. All errors are DomainErrors: the server's own, `unavailable` when it cannot be
 * reached or the call was cancelled by `signal`, `deadline` when time ran out. Nothing is retried.
 */
export type RpcClient<Definition> = {
  readonly [
    Name in keyof Definition as Definition[Name] extends { readonly requestStream: true } ? never : Name
  ]: Definition[Name] extends { readonly responseStream: true }
    ? (request: RequestOf<Definition[Name]>, options?: CallOptions) => AsyncIterable<ResponseOf<Definition[Name]>>
    : (request: RequestOf<Definition[Name]>, options?: CallOptions) => Promise<ResponseOf<Definition[Name]>>;
} & {
  /** Cancels what runs and closes the connection; calls after it fail. */
  close(): void;
};

/**
 * A client of the service at `unix:/path` or `host:port`. Connects with the first call, and again after a loss with a short
 * back-off; calls fail at once while there is no connection to be had.
 */
export const client = <Definition extends ServiceShape>(
  definition: Definition,
  address: string,
  options: RpcClientOptions = {},
): RpcClient<Definition> => {
  const { timeoutMs = 10_000 } = options;
  const channel = new Client(address, channelCredentials(options), channelOptions(options));
  const closing = new AbortController();
  const methods = Object.entries(definition)
    .filter(([, method]) => !method.requestStream)
    .map(([name, method]) => {
      const bound: Bound = { channel, closed: closing.signal, address, method, name: methodOf(method.path) };
      return method.responseStream
        ? [name, (request: unknown, call: CallOptions = {}) => stream(bound, request, call)]
        : [name, (request: unknown, call: CallOptions = {}) => unary(bound, request, { timeoutMs, ...call })];
    });
  const close = (): void => {
    // grpc-js lets a call that waits for a connection wait for ever once its channel is closed.
    closing.abort(new DomainError('unavailable', 'CLIENT_CLOSED', `the client of ${address} is closed`));
    channel.close();
  };
  // The entries of `definition` and this type are the same methods, which Object.entries cannot tell.
  return { ...Object.fromEntries(methods), close } as RpcClient<Definition>;
};

interface Bound {
  readonly channel: Client;
  readonly closed: AbortSignal;
  readonly address: string;
  readonly method: MethodShape;
  readonly name: string;
}

const unary = async (
  { channel, closed, address, method, name }: Bound,
  request: unknown,
  options: CallOptions,
): Promise<unknown> => {
  using linked = follow(closed, ...(options.signal === undefined ? [] : [options.signal]));
  const { signal } = linked;
  if (signal.aborted) throw cancelled(name, signal);
  const metadata = new Metadata();
  const observed = observeClientCall(name, metadata, address);
  try {
    const response = await new Promise<unknown>((resolve, reject) => {
      const call = channel.makeUnaryRequest(
        method.path,
        (value: unknown) => method.requestSerialize(value),
        (bytes) => method.responseDeserialize(bytes),
        request,
        metadata,
        deadline(options),
        (error, value) => {
          if (error === null) resolve(value);
          else reject(error);
        },
      );
      signal.addEventListener('abort', () => {
        call.cancel();
      });
    });
    observed.end(status.OK);
    return response;
  } catch (thrown) {
    observed.end(codeOf(thrown), thrown);
    throw failure(thrown, name, signal);
  }
};

async function* stream(
  { channel, closed, address, method, name }: Bound,
  request: unknown,
  options: CallOptions,
): AsyncGenerator<unknown, void> {
  using linked = follow(closed, ...(options.signal === undefined ? [] : [options.signal]));
  const { signal } = linked;
  if (signal.aborted) throw cancelled(name, signal);
  const metadata = new Metadata();
  const observed = observeClientCall(name, metadata, address);
  const call = context.with(observed.context, () =>
    channel.makeServerStreamRequest(
      method.path,
      (value: unknown) => method.requestSerialize(value),
      (bytes) => method.responseDeserialize(bytes),
      request,
      metadata,
      deadline(options),
    ),
  );
  // An error after the iteration has ended would otherwise have no listener and end the process.
  call.on('error', () => undefined);
  signal.addEventListener('abort', () => {
    call.cancel();
  });
  try {
    yield* call as AsyncIterable<unknown>;
    observed.end(status.OK);
  } catch (thrown) {
    observed.end(codeOf(thrown), thrown);
    throw failure(thrown, name, signal);
  } finally {
    call.cancel();
    // Left early by who iterates.
    observed.end(status.CANCELLED);
  }
}

const deadline = ({ timeoutMs }: CallOptions): { deadline?: number } =>
  timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };

const isServiceError = (thrown: unknown): thrown is ServiceError =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' && 'details' in thrown;

const codeOf = (thrown: unknown): status => (isServiceError(thrown) ? thrown.code : status.UNKNOWN);

const failure = (thrown: unknown, name: string, signal: AbortSignal): DomainError => {
  if (signal.aborted) return cancelled(name, signal);
  if (isServiceError(thrown)) return fromServiceError(thrown);
  const error = toError(thrown);
  return new DomainError('internal', 'CLIENT_FAILED', `${name}: ${error.message}`, { cause: error });
};

/** The caller's own reason where it is a DomainError or a timeout, else UNAVAILABLE: the call may have had its effect. */
const cancelled = (name: string, signal: AbortSignal): DomainError => {
  const reason: unknown = signal.reason;
  if (reason instanceof DomainError) return reason;
  if (reason instanceof DOMException && reason.name === 'TimeoutError')
    return new DomainError('deadline', 'DEADLINE_EXCEEDED', `${name}: not done in time`, { cause: reason });
  return new DomainError('unavailable', 'CANCELLED', `${name}: cancelled`, { cause: reason });
};

const channelCredentials = ({ tls }: RpcClientOptions): ChannelCredentials =>
  tls === undefined
    ? credentials.createInsecure()
    : credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert));

const channelOptions = ({ tls, maxMessageBytes = 16 * 1_024 * 1_024 }: RpcClientOptions): ClientOptions => ({
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // A connection of its own: a shared one would also share its back-off and outlive `close`.
  'grpc.use_local_subchannel_pool': 1,
  // Neither proxies from the environment nor TXT records have a say in where a host's agent connects.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  ...(tls?.serverName !== undefined && {
    'grpc.ssl_target_name_override': tls.serverName,
    'grpc.default_authority': tls.serverName,
  }),
});

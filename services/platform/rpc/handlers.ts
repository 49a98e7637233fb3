import type { RequestOf, ResponseOf, ServiceShape } from './definition.ts';

/** What a handler knows of the call it answers. */
export interface CallContext {
  /** Aborts when the client gives up, the deadline passes, or the server stops; its reason is a DomainError. */
  readonly signal: AbortSignal;
  /** `weft.topology.v1.TopologyService/ReportPortUp` */
  readonly method: string;
  /** `address:port` of the client, or `unix`. */
  readonly peer: string;
  /** Name in the client's certificate; undefined without TLS. */
  readonly identity: string | undefined;
  /** 32 hexadecimal digits: the call's trace, made up when there is none. */
  readonly traceId: string;
}

/** Answers one request. What it throws becomes the call's status (see toStatus). */
export type Unary<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;

/**
 * Answers one request with any number of messages; is asked for the next only when the client has room for it, and is
 * closed when the call ends.
 */
export type ServerStream<Request, Response> = (request: Request, context: CallContext) => AsyncIterable<Response>;

export interface UnaryHandler<Request, Response> {
  readonly kind: 'unary';
  readonly handle: Unary<Request, Response>;
}

export interface StreamHandler<Request, Response> {
  readonly kind: 'stream';
  readonly handle: ServerStream<Request, Response>;
}

/** A method with one answer. Without a deadline from the client, the server's own holds (30 s unless configured). */
export const unary = <Request, Response>(handle: Unary<Request, Response>): UnaryHandler<Request, Response> => ({
  kind: 'unary',
  handle,
});

/** A method with a stream of answers, without a deadline unless the client sets one. */
export const serverStream = <Request, Response>(
  handle: ServerStream<Request, Response>,
): StreamHandler<Request, Response> => ({ kind: 'stream', handle });

/** A handler for each method of a service, of the kind and with the messages that its definition says. */
export type Handlers<Definition> = {
  readonly [Method in keyof Definition]: Definition[Method] extends { readonly responseStream: true }
    ? StreamHandler<RequestOf<Definition[Method]>, ResponseOf<Definition[Method]>>
    : UnaryHandler<RequestOf<Definition[Method]>, ResponseOf<Definition[Method]>>;
};

/** A handler whose message types have been checked by `service`. */
export type AnyHandler = UnaryHandler<unknown, unknown> | StreamHandler<unknown, unknown>;

/** A service with its implementation, as `rpcServer` takes it. */
export interface RpcService {
  readonly definition: ServiceShape;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
}

/** Pairs a generated definition with its handlers: `service(IpamServiceService, { getSubnet: unary(async (request) => …) })`. */
export const service = <Definition extends ServiceShape>(
  definition: Definition,
  handlers: Handlers<Definition>,
): RpcService => ({
  definition,
  // Sound, though not in TypeScript's eyes: each handler only ever gets what its own method's codec has read.
  handlers: handlers as unknown as RpcService['handlers'],
});

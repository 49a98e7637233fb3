import { randomUUID } from 'node:crypto';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import { context, INVALID_TRACEID, type Span } from '@opentelemetry/api';
import { aborted } from '#platform/async/aborted.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { CallContext, ServerStream, Unary } from './handlers.ts';
import { identityOf } from './identity.ts';
import { methodOf, observeServerCall } from './observe.ts';
import { isDefect, toStatus } from './status.ts';

/** Throws a DomainError (`denied`) when `identity`, undefined without TLS, may not call `method`. */
export type Authorise = (identity: string | undefined, method: string) => void | Promise<void>;

/** What a server lends to each of its calls. */
export interface CallEnvironment {
  /** In whose name spans are made. */
  readonly service: string;
  readonly log: Log;
  /** For unary calls whose client sets no deadline. */
  readonly unaryDeadlineMs: number;
  readonly authorise: Authorise | undefined;
  /** The calls whose handlers run. */
  readonly open: Set<OpenCall>;
}

export interface OpenCall {
  readonly stream: boolean;
  /** Ends the call with this error. */
  abort(reason: DomainError): void;
  /** Resolves when the handler runs no more; never rejects. */
  readonly done: Promise<void>;
}

/** What a request's codec gives for bytes that are no such message; the handlers' frame refuses it. */
export class Malformed {
  readonly reason: unknown;

  constructor(reason: unknown) {
    this.reason = reason;
  }
}

/** A grpc-js handler for a unary method. */
export const answerUnary =
  (environment: CallEnvironment, path: string, handle: Unary<unknown, unknown>): handleUnaryCall<unknown, unknown> =>
  (call, respond) => {
    const conducted = new Conducted(environment, path, call, false);
    conducted.run(
      (request) => handle(request, conducted),
      (response) => {
        respond(null, response);
      },
      respond,
    );
  };

/** A grpc-js handler for a server-streaming method. */
export const answerStream =
  (
    environment: CallEnvironment,
    path: string,
    handle: ServerStream<unknown, unknown>,
  ): handleServerStreamingCall<unknown, unknown> =>
  (call) => {
    const conducted = new Conducted(environment, path, call, true);
    conducted.run(
      (request) => pump(handle(request, conducted), call, conducted.signal),
      () => call.end(),
      // How grpc-js takes a status other than OK for a stream.
      (failure) => call.emit('error', failure),
    );
  };

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;

/** One call from its arrival until its handler has come to an end, which may be after the client had its answer. */
class Conducted implements CallContext, OpenCall {
  readonly method: string;
  readonly stream: boolean;
  readonly traceId: string;
  readonly #environment: CallEnvironment;
  readonly #call: AnyCall;
  readonly #observed: ReturnType<typeof observeServerCall>;
  readonly #controller = new AbortController();
  #deadline: NodeJS.Timeout | undefined;
  #answered = false;
  #done: Promise<void> = Promise.resolve();

  constructor(environment: CallEnvironment, path: string, call: AnyCall, stream: boolean) {
    this.method = methodOf(path);
    this.stream = stream;
    this.#environment = environment;
    this.#call = call;
    this.#observed = observeServerCall(this.method, call.metadata, environment.service, this.identity ?? this.peer);
    this.traceId = traceIdOf(this.#observed.span);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get peer(): string {
    const peer = this.#call.getPeer();
    return peer === 'unknown' ? 'unix' : peer;
  }

  get identity(): string | undefined {
    return identityOf(this.#call.getAuthContext().sslPeerCertificate?.subjectaltname);
  }

  get done(): Promise<void> {
    return this.#done;
  }

  abort(reason: DomainError): void {
    this.#controller.abort(reason);
  }

  run<R>(
    work: (request: unknown) => Promise<R>,
    succeed: (result: R) => void,
    fail: (failure: ReturnType<typeof toStatus>) => void,
  ): void {
    this.#call.once('cancelled', () => {
      // Comes after an answer as well.
      if (!this.#answered) this.abort(goneReason(this.#call));
    });
    if (!this.stream && this.#call.getDeadline() === Infinity) this.#limit();
    this.#done = context.with(this.#observed.context, () => this.#conduct(work, succeed, fail));
    this.#environment.open.add(this);
  }

  /** Never rejects. */
  async #conduct<R>(
    work: (request: unknown) => Promise<R>,
    succeed: (result: R) => void,
    fail: (failure: ReturnType<typeof toStatus>) => void,
  ): Promise<void> {
    const handled = this.#handled(work);
    try {
      using abort = aborted(this.signal);
      // The client has its answer when it is due, whether or not the handler listens to the signal.
      const result = await Promise.race([handled, abort.promise]);
      this.#answered = true;
      succeed(result);
      this.#observed.end(status.OK);
    } catch (thrown) {
      this.#failed(thrown, fail);
    } finally {
      clearTimeout(this.#deadline);
    }
    await handled.catch(() => undefined);
    this.#environment.open.delete(this);
  }

  // Async, so that what throws before its first await is a rejection too.
  async #handled<R>(work: (request: unknown) => Promise<R>): Promise<R> {
    const { request } = this.#call;
    if (request instanceof Malformed)
      throw new DomainError('invalid', 'MALFORMED_MESSAGE', `the request is not a valid message of ${this.method}`, {
        cause: request.reason,
      });
    const { authorise } = this.#environment;
    if (authorise !== undefined) await authorise(this.identity, this.method);
    return await work(request);
  }

  #failed(thrown: unknown, fail: (failure: ReturnType<typeof toStatus>) => void): void {
    // Once aborted, whatever a handler throws is its way of stopping.
    const cause: unknown = this.signal.aborted ? this.signal.reason : thrown;
    if (isDefect(cause))
      this.#environment.log.error(
        { err: cause, method: this.method, trace_id: this.traceId },
        'call failed by a defect',
      );
    const failure = toStatus(cause, this.traceId);
    this.#answered = true;
    fail(failure);
    this.#observed.end(
      this.#call.cancelled && failure.code === status.UNAVAILABLE ? status.CANCELLED : failure.code,
      cause,
    );
  }

  #limit(): void {
    const ms = this.#environment.unaryDeadlineMs;
    this.#deadline = setTimeout(() => {
      this.abort(
        new DomainError('deadline', 'DEADLINE_EXCEEDED', `${this.method}: not done within ${ms.toString()} ms`),
      );
    }, ms);
  }
}

const traceIdOf = (span: Span): string => {
  const { traceId } = span.spanContext();
  return traceId === INVALID_TRACEID ? randomUUID().replaceAll('-', '') : traceId;
};

// Clients whose time is up cancel the call themselves; their deadline began when they sent it, ours when it came.
const DEADLINE_SLACK_MS = 20;

// grpc-js tells both in the same way, and answers the client itself when the deadline has passed.
const goneReason = (call: AnyCall): DomainError =>
  Date.now() + DEADLINE_SLACK_MS >= Number(call.getDeadline())
    ? new DomainError('deadline', 'DEADLINE_EXCEEDED', 'the deadline of the call has passed')
    : new DomainError('unavailable', 'CANCELLED', 'the client has cancelled the call');

const pump = async (
  items: AsyncIterable<unknown>,
  call: ServerWritableStream<unknown, unknown>,
  signal: AbortSignal,
): Promise<void> => {
  for await (const item of items) {
    signal.throwIfAborted();
    if (!call.write(item)) await drained(call, signal);
  }
};

const drained = async (call: ServerWritableStream<unknown, unknown>, signal: AbortSignal): Promise<void> => {
  using abort = aborted(signal);
  const { promise, resolve } = Promise.withResolvers<void>();
  call.once('drain', resolve);
  try {
    await Promise.race([promise, abort.promise]);
  } finally {
    call.removeListener('drain', resolve);
  }
};

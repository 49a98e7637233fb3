import { aborted } from '#platform/async/aborted.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { ByteStream, Dial } from '../../sys/stream-socket.ts';
import { JsonSplitter } from './json-splitter.ts';
import { refusal } from './reply.ts';
import { asArray, asObject, type Json, malformed } from './wire.ts';

export interface RpcOptions {
  readonly dial: Dial;
  /** The unix socket of ovsdb-server. */
  readonly path: string;
  /** A server that was silent this long is asked whether it is there (`echo`); 5 s unless told otherwise. */
  readonly probeAfterMs?: number;
  /** How long it has then to say anything; 5 s unless told otherwise. */
  readonly probeDeadlineMs?: number;
}

/** What a connection tells; all of it synchronously, in the order that the server said it. */
export interface RpcHandlers {
  notified(method: string, params: readonly unknown[]): void;
  /** It ended and nobody here closed it; called once, and nothing is told after it. */
  lost(error: DomainError): void;
}

/** What came of a request: the server's answer, its refusal, or that the connection went before either. */
export type Outcome = { readonly result: unknown } | { readonly error: DomainError };

/** Many times what the database of a host with thousands of ports takes. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
const PROBE_ID = 'probe';

/** One JSON-RPC 1.0 session (RFC 7047 §4) on a stream of its own. Whoever opens it closes it. */
export class RpcConnection {
  readonly #path: string;
  readonly #handlers: RpcHandlers;
  readonly #waiting = new Map<number, { readonly method: string; readonly told: (outcome: Outcome) => void }>();
  #stream: ByteStream | undefined;
  readonly #texts: string[] = [];
  readonly #splitter = new JsonSplitter((text) => this.#texts.push(text), MAX_MESSAGE_BYTES);
  #nextId = 0;
  #heard = 0;
  #probe: NodeJS.Timeout | undefined;
  #ended: DomainError | undefined;

  private constructor(path: string, handlers: RpcHandlers) {
    this.#path = path;
    this.#handlers = handlers;
  }

  /** Rejects with `unavailable` when nobody listens there, or when `signal` aborts first. */
  static async open(options: RpcOptions, handlers: RpcHandlers, signal: AbortSignal): Promise<RpcConnection> {
    const connection = new RpcConnection(options.path, handlers);
    connection.#stream = await options.dial(
      options.path,
      {
        data: (chunk) => {
          connection.#receive(chunk);
        },
        closed: (reason) => {
          connection.fail(reason);
        },
      },
      signal,
    );
    if (signal.aborted) connection.fail(signal.reason);
    if (connection.#ended !== undefined) throw connection.#ended;
    connection.#probeLater(options, 0);
    return connection;
  }

  /** Asks; `told` is called once, in the order of what the server says, or right away where it cannot be asked. */
  request(method: string, params: readonly Json[], told: (outcome: Outcome) => void): () => void {
    if (this.#ended !== undefined) {
      told({ error: this.#ended });
      return () => undefined;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    this.#waiting.set(id, { method, told });
    this.#send({ method, params, id });
    return () => {
      this.#waiting.delete(id);
    };
  }

  /**
   * Asks and resolves with the `result`. Rejects with the server's `error` (see `refusal`); with `unavailable` when the
   * connection goes, and with the signal's reason once it aborts: whether the server did it is unknown in both cases.
   */
  async call(method: string, params: readonly Json[], signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    using abort = aborted(signal);
    const answer = Promise.withResolvers<unknown>();
    const forget = this.request(method, params, (outcome) => {
      if ('error' in outcome) answer.reject(outcome.error);
      else answer.resolve(outcome.result);
    });
    try {
      return await Promise.race([answer.promise, abort.promise]);
    } finally {
      forget();
    }
  }

  /** Ends it as if the server had, because of what the server said or did not say. */
  fail(reason: unknown): void {
    if (this.#ended !== undefined) return;
    const error = this.#end(toError(reason).message, reason);
    this.#handlers.lost(error);
  }

  /** Ends it; whoever waits is told, `lost` is not. */
  close(): void {
    if (this.#ended === undefined) this.#end('closed here', undefined);
  }

  #end(why: string, cause: unknown): DomainError {
    const error = new DomainError(
      'unavailable',
      'OVSDB_CONNECTION_LOST',
      `the connection to ${this.#path} was lost, and with it the answer: ${why}`,
      { details: { path: this.#path }, cause },
    );
    this.#ended = error;
    clearTimeout(this.#probe);
    this.#stream?.close();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { told } of waiting) told({ error });
    return error;
  }

  #send(message: Readonly<Record<string, unknown>>): void {
    this.#stream?.write(Buffer.from(JSON.stringify(message), 'utf8'));
  }

  #receive(chunk: Buffer): void {
    this.#heard += 1;
    let broken: unknown;
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      broken = error;
    }
    // Outside of the `try`: what a listener throws is a defect of its own and no failure of this connection.
    for (const text of this.#texts.splice(0)) this.#take(text);
    if (broken !== undefined) this.fail(broken);
  }

  #take(text: string): void {
    // The rest of a chunk, some message of which ended it.
    if (this.#ended !== undefined) return;
    const message = asObject(parsed(text));
    if (message === undefined) {
      this.fail(malformed('a message', text, 'is not JSON'));
      return;
    }
    const { method, params, id, result, error } = message;
    if (typeof method !== 'string') this.#answered(id, result, error);
    else if (method === 'echo') this.#send({ id, result: params, error: null });
    else this.#handlers.notified(method, asArray(params) ?? []);
  }

  #answered(id: unknown, result: unknown, error: unknown): void {
    if (typeof id !== 'number') return;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    // A refusal comes without a `result`, an answer with `"error": null`.
    waiting?.told(error === undefined || error === null ? { result } : { error: refusal(waiting.method, error) });
  }

  #probeLater(options: RpcOptions, heardBefore: number): void {
    if (this.#ended !== undefined) return;
    const { probeAfterMs = 5_000, probeDeadlineMs = 5_000 } = options;
    this.#probe = setTimeout(() => {
      const heard = this.#heard;
      if (heard !== heardBefore) {
        this.#probeLater(options, heard);
        return;
      }
      this.#send({ method: 'echo', params: [], id: PROBE_ID });
      this.#probe = setTimeout(() => {
        if (this.#heard === heard) this.fail(new Error(`silent for ${probeDeadlineMs.toString()} ms when asked`));
        else this.#probeLater(options, this.#heard);
      }, probeDeadlineMs);
    }, probeAfterMs);
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

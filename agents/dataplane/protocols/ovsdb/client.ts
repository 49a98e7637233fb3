import { aborted } from '#platform/async/aborted.ts';
import { backoffMs, type BackoffOptions } from '#platform/async/backoff.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { encodeOperation } from './encode-operation.ts';
import type { Operation, ResultsOf } from './operation.ts';
import { readResults } from './reply.ts';
import { RpcConnection, type RpcHandlers, type RpcOptions } from './rpc-connection.ts';

export interface OvsdbClientOptions extends RpcOptions {
  /** `Open_vSwitch` unless told otherwise. */
  readonly database?: string;
  /** 50 ms to 2 s unless told otherwise. */
  readonly backoff?: BackoffOptions;
}

/** Something that lives on whatever connection there is; told synchronously. */
export interface OvsdbSession {
  /** A new connection is there. */
  connected(connection: RpcConnection): void;
  /** The server said this, unasked. */
  notified(method: string, params: readonly unknown[]): void;
  /** It is gone, or the first could not be made; told once until there is one again. */
  lost(error: DomainError): void;
}

const BACKOFF: BackoffOptions = { baseMs: 50, maxMs: 2_000 };
const CONNECT_WITHIN_MS = 2_000;

/**
 * A client of ovsdb-server (RFC 7047) that connects again whenever the connection is lost. It answers the server's `echo`
 * and asks a server that is silent whether it is there. Whoever makes it stops it.
 */
export class OvsdbClient implements AsyncDisposable {
  readonly database: string;
  readonly #rpc: RpcOptions;
  readonly #backoff: BackoffOptions;
  readonly #sessions = new Set<OvsdbSession>();
  readonly #halt = new AbortController();
  #connection: RpcConnection | undefined;
  #running: Promise<void> | undefined;
  /** The sessions know that there is no connection. */
  #outage = false;

  constructor(options: OvsdbClientOptions) {
    this.database = options.database ?? 'Open_vSwitch';
    this.#rpc = options;
    this.#backoff = options.backoff ?? BACKOFF;
  }

  /** Begins to connect, and goes on until stopped. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends it for good: who waits for an answer is told, the sessions are not. Never rejects. */
  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the OVSDB client is stopping'));
    this.#connection?.close();
    this.#connection = undefined;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Tells `session` of every connection from now on, also of the one there is, until disposed. */
  attach(session: OvsdbSession): Disposable {
    this.#sessions.add(session);
    if (this.#connection !== undefined) session.connected(this.#connection);
    return {
      [Symbol.dispose]: () => {
        this.#sessions.delete(session);
      },
    };
  }

  /**
   * Has the operations done, all or none, and resolves with what each of them brought. What others ask meanwhile does not
   * wait for it. Rejects with `invalid` for what cannot be sent; `unavailable` when there is no connection
   * (`OVSDB_UNREACHABLE`: nothing was done) or it goes before the answer (`OVSDB_CONNECTION_LOST`: what was done is
   * unknown, as when the signal aborts); with the words of the server when it refuses, naming the operation:
   * `precondition` for a constraint, `conflict` for a `wait`.
   */
  async transact<const Operations extends readonly Operation[]>(
    operations: Operations,
    signal: AbortSignal,
  ): Promise<ResultsOf<Operations>> {
    const params = [this.database, ...operations.map(encodeOperation)];
    if (this.#connection === undefined) throw unreachable(this.#rpc.path);
    const result = await this.#connection.call('transact', params, signal);
    return readResults(operations, result) as ResultsOf<Operations>;
  }

  async #run(): Promise<void> {
    const halt = this.#halt.signal;
    for (let failures = 0; !halt.aborted; failures += 1) {
      const livedMs = await this.#connectOnce(halt);
      // One that is cut off as soon as it is there is no better than none.
      if (livedMs > this.#backoff.maxMs) failures = 0;
      await sleep(backoffMs(failures, this.#backoff, Math.random), halt).catch(() => undefined);
    }
  }

  /** Resolves with how long there was a connection, once there is none. */
  async #connectOnce(halt: AbortSignal): Promise<number> {
    const ended = Promise.withResolvers<void>();
    const handlers: RpcHandlers = {
      notified: (method, params) => {
        for (const session of this.#sessions) session.notified(method, params);
      },
      lost: (error) => {
        this.#connection = undefined;
        this.#tellLost(error);
        ended.resolve();
      },
    };
    let connection: RpcConnection;
    try {
      connection = await withDeadline(CONNECT_WITHIN_MS, halt, (signal) =>
        RpcConnection.open(this.#rpc, handlers, signal),
      );
    } catch (error) {
      if (!halt.aborted) this.#tellLost(unreachable(this.#rpc.path, error));
      return 0;
    }
    const since = performance.now();
    using halted = aborted(halt);
    this.#connection = connection;
    this.#outage = false;
    for (const session of this.#sessions) session.connected(connection);
    await Promise.race([ended.promise, halted.promise]).catch(() => undefined);
    return performance.now() - since;
  }

  #tellLost(error: DomainError): void {
    if (this.#outage) return;
    this.#outage = true;
    for (const session of this.#sessions) session.lost(error);
  }
}

const unreachable = (path: string, cause?: unknown): DomainError =>
  new DomainError(
    'unavailable',
    'OVSDB_UNREACHABLE',
    `no connection to ovsdb-server at ${path}${cause === undefined ? '' : `: ${toError(cause).message}`}`,
    { details: { path }, cause },
  );

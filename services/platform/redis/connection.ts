import { Redis } from 'ioredis';
import { aborted } from '#platform/async/aborted.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { COMMIT_SCRIPT } from './commit-script.ts';
import { parseRedisUrl } from './redis-url.ts';

export interface RedisConnectionOptions {
  /** See {@link parseRedisUrl}. */
  readonly url: string;
  /** How long `start` waits for Redis; 10 s unless told otherwise. */
  readonly startMs?: number;
  /** How long a command waits for a lost connection to come back before it fails; 1 s unless told otherwise. */
  readonly patienceMs?: number;
  /** A server that is silent for so long with commands before it is taken for lost; 2 s unless told otherwise. */
  readonly silenceMs?: number;
}

const RECONNECT_MS = { first: 100, step: 50, last: 500 } as const;

/** Redis says these while it cannot serve, not because the command is wrong. */
const PASSING = /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|NOREPLICAS|OOM|BUSY|UNBLOCKED)\b/u;

/**
 * One connection to Redis that comes back by itself. Commands of a whole process share it: Redis answers in order, and
 * what is asked in one tick travels together.
 */
export class RedisConnection implements Component {
  readonly name = 'redis';
  readonly #client: Redis;
  readonly #log: Log;
  readonly #startMs: number;
  readonly #patienceMs: number;
  readonly #waiting = new Set<() => void>();
  #lost = false;
  #stopped = false;

  constructor(options: RedisConnectionOptions, log: Log) {
    this.#log = log;
    this.#startMs = options.startMs ?? 10_000;
    this.#patienceMs = options.patienceMs ?? 1_000;
    const retryMs = (times: number): number =>
      Math.min(RECONNECT_MS.first + (times - 1) * RECONNECT_MS.step, RECONNECT_MS.last);
    this.#client = new Redis({
      ...parseRedisUrl(options.url),
      scripts: { weftCommit: { lua: COMMIT_SCRIPT } },
      lazyConnect: true,
      connectTimeout: 2_000,
      // The client sets this timer even when its socket is closed already, and so holds up the end of the process.
      disconnectTimeout: 100,
      socketTimeout: options.silenceMs ?? 2_000,
      // A command is sent once or not at all: sent again after a lost reply, a script would meet its own writes.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // With 0, what has no reply when the connection closes fails at once; the client would forget it otherwise.
      maxRetriesPerRequest: 0,
      retryStrategy: retryMs,
      sentinelRetryStrategy: retryMs,
      // After a failover the old master refuses writes: ask the sentinels again.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
    });
    this.#client.on('error', (error) => {
      this.#away(error);
    });
    this.#client.on('close', () => {
      if (!this.#stopped) this.#away(undefined);
    });
    this.#client.on('ready', () => {
      if (this.#lost) this.#log.info({}, 'redis is back');
      this.#lost = false;
      for (const wake of this.#waiting) wake();
    });
  }

  /** Whether a command given now is sent now. */
  get ready(): boolean {
    // Between the server's going and the client's noticing, a command would fail at once and wait for nothing.
    return this.#client.status === 'ready' && this.#client.stream.writable;
  }

  /** DomainError `unavailable` when Redis has not answered in time. */
  async start(signal: AbortSignal): Promise<void> {
    // Its failure is only the first attempt's: the client goes on trying by itself, and says so by `ready`.
    this.#client.connect().catch(() => undefined);
    try {
      await this.#live(this.#startMs, signal);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#client.disconnect();
    return Promise.resolve();
  }

  /**
   * Gives `command` the live client, waiting a moment for a lost one. DomainError `unavailable` when there is none, and
   * when the connection breaks before the answer: then nobody knows whether it was done.
   */
  async run<R>(command: (client: Redis) => Promise<R>, signal: AbortSignal): Promise<R> {
    signal.throwIfAborted();
    if (this.#stopped) throw unavailable('the connection to redis was closed', undefined);
    if (!this.ready) await this.#live(this.#patienceMs, signal);
    try {
      return await command(this.#client);
    } catch (thrown) {
      throw toDomainError(thrown);
    }
  }

  async #live(ms: number, signal: AbortSignal): Promise<void> {
    if (this.ready) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      reject(unavailable(`redis cannot be reached since ${ms.toString()} ms`, undefined));
    }, ms);
    this.#waiting.add(resolve);
    using abort = aborted(signal);
    try {
      await Promise.race([promise, abort.promise]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }

  // Said once per loss: each attempt to reconnect fails again.
  #away(error: Error | undefined): void {
    if (!this.#lost) this.#log.warn(error === undefined ? {} : { err: error }, 'redis is away');
    this.#lost = true;
  }
}

const unavailable = (message: string, cause: unknown): DomainError =>
  new DomainError('unavailable', 'STORE_UNAVAILABLE', message, { cause });

/** What a failed command means to a caller: `unavailable`, or `internal` when the command itself is wrong. */
export const toDomainError = (thrown: unknown): DomainError => {
  if (thrown instanceof DomainError) return thrown;
  const error = toError(thrown);
  if (error.name !== 'ReplyError') return unavailable('the connection to redis broke', error);
  if (PASSING.test(error.message)) return unavailable(`redis cannot serve: ${error.message}`, error);
  return new DomainError('internal', 'STORE_REFUSED', `redis refused a command: ${error.message}`, { cause: error });
};

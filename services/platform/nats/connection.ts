import { connect, type ConnectionOptions, type NatsConnection as NatsClient } from '@nats-io/transport-node';
import { aborted } from '#platform/async/aborted.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';

export type { NatsClient };

export interface NatsConnectionOptions {
  /** `nats://host:port`, several for a cluster. */
  readonly servers: readonly string[];
  /** What the server's own lists call this client. */
  readonly client: string;
  /** How long `start` waits for a first connection before it leaves that to the background; 2 s unless told otherwise. */
  readonly startMs?: number;
  /** Identity and encryption, as the client library takes them. */
  readonly security?: Pick<ConnectionOptions, 'authenticator' | 'tls' | 'user' | 'pass' | 'token' | 'inboxPrefix'>;
}

/** Called with the live client at each connection, the first included. Must not throw. */
export type ConnectListener = (client: NatsClient) => void;

const RETRY_MS = 250;
/** Silence for two of these means that the server is gone, though its socket is not. */
const PING_MS = 5_000;

/**
 * One connection to NATS, kept up for ever: a server that is away at the start or goes away later is tried again in the
 * background, four times a second.
 */
export class NatsConnection implements Component {
  readonly name = 'nats';
  readonly #options: NatsConnectionOptions;
  readonly #log: Log;
  readonly #halt = new AbortController();
  readonly #listeners = new Set<ConnectListener>();
  #client: NatsClient | undefined;
  #connected = false;
  #running: Promise<void> | undefined;

  constructor(options: NatsConnectionOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** Whether the server is there, as far as is known: what is sent in the moment it goes is lost. */
  get connected(): boolean {
    return this.#connected;
  }

  /** The client while it is connected. */
  get client(): NatsClient | undefined {
    return this.#connected ? this.#client : undefined;
  }

  /** Hears of every connection from now on, and of the present one at once. Disposing ends it. */
  onConnect(listener: ConnectListener): Disposable {
    this.#listeners.add(listener);
    if (this.client !== undefined) listener(this.client);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The client, as soon as it is connected; rejects with the signal's reason. */
  async whenConnected(signal: AbortSignal): Promise<NatsClient> {
    if (this.client !== undefined) return this.client;
    const { promise, resolve } = Promise.withResolvers<NatsClient>();
    using _listening = this.onConnect(resolve);
    using abort = aborted(signal);
    return await Promise.race([promise, abort.promise]);
  }

  /** Resolves when connected, or after `startMs` without: NATS away is no reason not to run. */
  async start(signal: AbortSignal): Promise<void> {
    this.#running = this.#run();
    const waited = new AbortController();
    const timer = setTimeout(() => {
      waited.abort();
    }, this.#options.startMs ?? 2_000);
    using abort = aborted(signal);
    try {
      await Promise.race([abort.promise, this.whenConnected(waited.signal)]);
    } catch (error) {
      if (signal.aborted) {
        await this.stop(signal);
        throw error;
      }
      this.#log.warn({ servers: this.#options.servers }, 'nats is away; going on without it');
    } finally {
      clearTimeout(timer);
      waited.abort();
    }
  }

  /** Lets what was sent reach the server, then closes; closes at once when the signal aborts. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#halt.abort();
    const client = this.#client;
    if (client !== undefined && !client.isClosed()) {
      using abort = aborted(signal);
      // Draining ends by closing; without a server there is nobody to drain to.
      const drained = this.#connected ? client.drain().catch(() => undefined) : Promise.resolve();
      await Promise.race([drained, abort.promise]).catch(() => undefined);
      await client.close();
    }
    this.#connected = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#halt.signal.aborted) {
      try {
        const client = await this.#dial();
        this.#client = client;
        if (this.#halt.signal.aborted) await client.close();
        await this.#follow(client);
      } catch (error) {
        this.#log.debug({ err: toError(error) }, 'nats connection failed');
      }
      await sleep(RETRY_MS, this.#halt.signal).catch(() => undefined);
    }
  }

  // The library could wait for the first connection by itself, but nothing could then stop it.
  async #dial(): Promise<NatsClient> {
    const { servers, client, security } = this.#options;
    return await connect({
      ...security,
      servers: [...servers],
      name: client,
      timeout: 2_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RETRY_MS,
      // An expired certificate or a key not yet known is mended at the server; giving up would need a restart here.
      ignoreAuthErrorAbort: true,
      pingInterval: PING_MS,
      maxPingOut: 2,
      // Else each request and publish takes a stack trace.
      noAsyncTraces: true,
    });
  }

  /** Until the client is closed for good. */
  async #follow(client: NatsClient): Promise<void> {
    this.#up(client, 'nats connected');
    for await (const status of client.status()) {
      if (status.type === 'disconnect') this.#down();
      if (status.type === 'reconnect') this.#up(client, 'nats is back');
      if (status.type === 'error') this.#log.warn({ err: status.error }, 'nats reports an error');
    }
    this.#down();
  }

  #up(client: NatsClient, message: string): void {
    if (this.#halt.signal.aborted || client.isClosed()) return;
    this.#connected = true;
    this.#log.info({ server: client.getServer() }, message);
    for (const listener of [...this.#listeners]) listener(client);
  }

  #down(): void {
    if (this.#connected && !this.#halt.signal.aborted) this.#log.warn({}, 'nats is away');
    this.#connected = false;
  }
}

/** DomainError `unavailable` for work that NATS did not take or did not confirm. */
export const busUnavailable = (message: string, cause?: unknown): DomainError =>
  new DomainError('unavailable', 'BUS_UNAVAILABLE', message, { cause });

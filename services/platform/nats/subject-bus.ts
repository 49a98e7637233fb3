import type { Msg } from '@nats-io/transport-node';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import type { NatsClient, NatsConnection } from './connection.ts';
import { fromNatsHeaders, toNatsHeaders } from './headers.ts';

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Read when first asked for: what must be quick can ask later. */
  readonly headers: Readonly<Record<string, string>>;
}

class ReceivedMessage implements BusMessage {
  readonly #message: Msg;
  #headers: Readonly<Record<string, string>> | undefined;

  constructor(message: Msg) {
    this.#message = message;
  }

  get subject(): string {
    return this.#message.subject;
  }
  get data(): Uint8Array {
    return this.#message.data;
  }
  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= fromNatsHeaders(this.#message.headers);
    return this.#headers;
  }
}

export interface SubscribeOptions {
  /** Each message goes to one subscriber of the same queue. */
  readonly queue?: string;
  /** Runs the handler in a span of this name, child of the trace in the message's headers. */
  readonly span?: string;
}

/** Runs in the turn in which the message arrives. What it throws or rejects with is logged, and nothing else. */
export type BusHandler = (message: BusMessage) => void | Promise<void>;

/** Core NATS: at most once, to whoever listens right now, in the order of each sender. */
export class SubjectBus {
  readonly #nats: NatsConnection;
  readonly #log: Log;

  constructor(nats: NatsConnection, log: Log) {
    this.#nats = nats;
    this.#log = log;
  }

  get connected(): boolean {
    return this.#nats.connected;
  }

  /** See {@link NatsConnection.onConnect}: the moment to fetch what may have been missed. */
  onConnect(listener: () => void): Disposable {
    return this.#nats.onConnect(listener);
  }

  /**
   * Sends; false when NATS is away and the message is lost. True says that it was sent, not that anybody got it. Throws
   * when the message is larger than the server takes.
   */
  publish(subject: string, data: Uint8Array, headers: Readonly<Record<string, string>>): boolean {
    const client = this.#nats.client;
    if (client === undefined) return false;
    const carried = toNatsHeaders(headers);
    client.publish(subject, data, carried === undefined ? {} : { headers: carried });
    return true;
  }

  /**
   * Hands on messages until disposed, over reconnections and also when NATS comes only later. Disposing resolves when the
   * handlers under way are done.
   */
  subscribe(subject: string, options: SubscribeOptions, handler: BusHandler): AsyncDisposable {
    const running = new Set<Promise<void>>();
    const handle = (message: BusMessage): void => {
      const done = this.#handle(message, options, handler);
      if (done === undefined) return;
      running.add(done);
      void done.finally(() => running.delete(done));
    };
    let holder: NatsClient | undefined;
    let end: (() => void) | undefined;
    const listening = this.#nats.onConnect((client) => {
      // The library subscribes anew by itself as long as the client is the same.
      if (client === holder) return;
      holder = client;
      const subscription = client.subscribe(subject, {
        ...(options.queue === undefined ? {} : { queue: options.queue }),
        callback: (error, message) => {
          if (error === null) handle(new ReceivedMessage(message));
          else this.#log.error({ err: error, subject }, 'subscription refused');
        },
      });
      end = () => {
        if (!client.isClosed()) subscription.unsubscribe();
      };
    });
    return {
      [Symbol.asyncDispose]: async () => {
        listening[Symbol.dispose]();
        end?.();
        await Promise.all(running);
      },
    };
  }

  /**
   * Resolves when the server has taken all that was sent and subscribed before: messages published from now on arrive.
   * False when NATS is away.
   */
  async flush(): Promise<boolean> {
    const client = this.#nats.client;
    if (client === undefined) return false;
    return await client.flush().then(
      () => true,
      () => false,
    );
  }

  #handle(message: BusMessage, { span }: SubscribeOptions, handler: BusHandler): Promise<void> | undefined {
    const failed = (error: unknown): void => {
      this.#log.error({ err: toError(error), subject: message.subject }, 'message handler failed');
    };
    try {
      const result =
        span === undefined
          ? handler(message)
          : inSpan(span, { kind: 'consumer', parent: message.headers }, () => handler(message));
      return result instanceof Promise ? result.catch(failed) : undefined;
    } catch (error) {
      failed(error);
      return undefined;
    }
  }
}

import { jetstream, type JetStreamClient, jetstreamManager } from '@nats-io/jetstream';
import { toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { EventPublisher, StoredEvent } from '#platform/store/store.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import { busUnavailable, type NatsClient, type NatsConnection } from './connection.ts';
import { toNatsHeaders } from './headers.ts';
import { ensureStream, type StreamSpec } from './stream.ts';

const ACK_MS = 2_000;

/**
 * Publishes into JetStream, each event under its outbox id, so that publishing it again within the stream's duplicate
 * window adds nothing. Makes the streams it publishes to, also when the server comes back without them.
 */
export class JetStreamPublisher implements EventPublisher, Component {
  readonly name = 'jetstream-publisher';
  readonly #nats: NatsConnection;
  readonly #streams: readonly StreamSpec[];
  readonly #log: Log;
  #listening: Disposable | undefined;
  #jetstream: JetStreamClient | undefined;
  /** The streams are there, since the last connection; rejects when they could not be made. */
  #ready: Promise<void> | undefined;

  constructor(nats: NatsConnection, streams: readonly StreamSpec[], log: Log) {
    this.#nats = nats;
    this.#streams = streams;
    this.#log = log;
  }

  /** Makes the streams if NATS is there; if not, that happens once it is. */
  async start(): Promise<void> {
    this.#listening = this.#nats.onConnect((client) => {
      this.#jetstream = jetstream(client, { timeout: ACK_MS });
      this.#ready = undefined;
      this.#ensure(client).catch((error: unknown) => {
        this.#log.warn({ err: toError(error) }, 'streams could not be made yet');
      });
    });
    await this.#ready?.catch(() => undefined);
  }

  stop(): Promise<void> {
    this.#listening?.[Symbol.dispose]();
    this.#listening = undefined;
    return Promise.resolve();
  }

  /**
   * Resolves once the stream has the event on disk. DomainError `unavailable` when NATS is away, at once, or does not
   * confirm within 2 s: it may then have it all the same.
   */
  async publish(partition: string, event: StoredEvent, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const client = this.#nats.client;
    const stream = this.#jetstream;
    if (client === undefined || stream === undefined) throw busUnavailable('nats is away');
    await inSpan(`publish ${event.subject}`, { kind: 'producer' }, async () => {
      try {
        await this.#ensure(client);
        await this.#send(stream, partition, event);
      } catch (error) {
        // Whatever the cause: the streams are looked at again before the next attempt.
        this.#ready = undefined;
        throw busUnavailable(`${event.subject} was not confirmed`, error);
      }
    });
  }

  async #send(
    stream: JetStreamClient,
    partition: string,
    { id, subject, payload, headers }: StoredEvent,
  ): Promise<void> {
    const carried = toNatsHeaders(headers);
    await stream.publish(subject, payload, {
      msgID: `${partition}:${id}`,
      timeout: ACK_MS,
      ...(carried === undefined ? {} : { headers: carried }),
    });
  }

  #ensure(client: NatsClient): Promise<void> {
    this.#ready ??= this.#make(client);
    return this.#ready;
  }

  async #make(client: NatsClient): Promise<void> {
    const manager = await jetstreamManager(client, { timeout: ACK_MS, checkAPI: false });
    for (const spec of this.#streams) await ensureStream(manager, spec);
  }
}

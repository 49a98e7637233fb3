import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  jetstream,
  JetStreamApiCodes,
  type JetStreamManager,
  jetstreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { counter } from '#platform/telemetry/instruments.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import type { NatsClient, NatsConnection } from './connection.ts';
import { fromNatsHeaders } from './headers.ts';
import { Lanes } from './lanes.ts';
import { ensureStream, isApiError, type StreamSpec } from './stream.ts';

const handled = counter('weft_events_handled', 'Events taken from JetStream, by consumer and outcome.');

export interface EventMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** 1 the first time. */
  readonly deliveries: number;
}

/**
 * Done when it resolves. DomainError `invalid`: this message can never be handled, it is dropped. Any other failure
 * brings it again later. `signal` aborts when the consumer has no more time.
 */
export type EventHandler = (message: EventMessage, signal: AbortSignal) => Promise<void>;

export interface DurableConsumerOptions {
  /** Made when it is missing. */
  readonly stream: StreamSpec;
  /** Replicas with the same name share the events. */
  readonly durable: string;
  /** All of the stream unless told otherwise. One filter: more need a server of 2.10. */
  readonly filterSubject?: string;
  /** Messages of one key are handled one after the other, in stream order; the subject unless told otherwise. */
  readonly keyOf?: (message: EventMessage) => string;
  /** How many are handled at once; 16 unless told otherwise. */
  readonly concurrency?: number;
  /** How long an unanswered message stays with a replica that may be dead; 3 s unless told otherwise. */
  readonly ackWaitMs?: number;
  /**
   * Called when the consumer had to be made on the server: at the very first start, and when the server lost it. Events
   * before that may be gone, so this is the time to compare with the source of truth. Failures are logged.
   */
  readonly onFresh?: (signal: AbortSignal) => Promise<void>;
}

const RETRY = { baseMs: 100, maxMs: 2_000 } as const;
const REDELIVER = { baseMs: 100, maxMs: 10_000 } as const;
/** Given back without a delay, server 2.9 may send the messages to the one who has just left, or twice. */
const GIVE_BACK_MS = 10;
/** From this delivery on each failure is an error for people to see. */
const WORRYING_DELIVERIES = 10;
const API_MS = 2_000;

/**
 * Takes events from a stream under a durable name, each at least once. Handling in key order holds within a process and
 * for messages that succeed: one that failed comes again after those behind it. Goes on by itself after a restart of the
 * server and after the stream or the consumer was deleted.
 */
export class DurableConsumer implements Component {
  readonly name: string;
  readonly #nats: NatsConnection;
  readonly #options: DurableConsumerOptions;
  readonly #handler: EventHandler;
  readonly #log: Log;
  readonly #halt = new AbortController();
  /** Aborts the handlers; later than `#halt`, which ends the taking of messages. */
  readonly #cut = new AbortController();
  readonly #lanes: Lanes<{ readonly raw: JsMsg; readonly message: EventMessage }>;
  readonly #held = new Set<JsMsg>();
  readonly #ackWaitMs: number;
  #running: Promise<void> | undefined;
  /** Tells the server that what is held is being worked on. */
  #heartbeat: NodeJS.Timeout | undefined;
  #fresh: Promise<void> = Promise.resolve();

  constructor(nats: NatsConnection, options: DurableConsumerOptions, handler: EventHandler, log: Log) {
    this.name = `consumer ${options.durable}`;
    this.#nats = nats;
    this.#options = options;
    this.#handler = handler;
    this.#log = log;
    this.#ackWaitMs = options.ackWaitMs ?? 3_000;
    this.#lanes = new Lanes(options.concurrency ?? 16, ({ raw, message }) => this.#handle(raw, message));
  }

  /** Resolves at once: whether NATS is there or not, events come when they can. */
  start(): Promise<void> {
    this.#heartbeat = setInterval(() => {
      for (const raw of this.#held) {
        this.#send(() => {
          raw.working();
        });
      }
    }, this.#ackWaitMs / 3);
    this.#running = this.#run();
    return Promise.resolve();
  }

  /** Takes no more, gives back what has not begun, waits for what has until `signal` aborts, then aborts it. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#halt.abort();
    const cut = (): void => {
      this.#cut.abort(signal.reason);
    };
    if (signal.aborted) cut();
    signal.addEventListener('abort', cut, { once: true });
    await this.#running;
    for (const { raw } of this.#lanes.clear())
      this.#answer(raw, () => {
        raw.nak(GIVE_BACK_MS);
      });
    await this.#lanes.idle();
    clearInterval(this.#heartbeat);
    await this.#fresh;
    signal.removeEventListener('abort', cut);
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#halt.signal.aborted;) {
      try {
        await this.#consume(await this.#nats.whenConnected(this.#halt.signal));
        failures = 0;
      } catch (error) {
        if (this.#halt.signal.aborted) break;
        this.#log.warn({ err: toError(error), consumer: this.#options.durable }, 'events cannot be taken');
        await sleep(backoffMs(failures, RETRY, Math.random), this.#halt.signal).catch(() => undefined);
        failures += 1;
      }
    }
  }

  /** Until the server restarts, loses the consumer, or this is stopped. */
  async #consume(client: NatsClient): Promise<void> {
    const manager = await jetstreamManager(client, { timeout: API_MS, checkAPI: false });
    await ensureStream(manager, this.#options.stream);
    const info = await this.#ensureConsumer(manager);
    const messages = await jetstream(client, { timeout: API_MS })
      .consumers.getConsumerFromInfo(info)
      .consume({
        max_messages: 256,
        expires: 10_000,
        idle_heartbeat: 1_000,
        abort_on_missing_resource: true,
        callback: (raw) => {
          this.#accept(raw);
        },
      });
    const end = (): void => {
      messages.stop();
    };
    let armed = false;
    // The library would look again by itself, but only every `expires` when the server is not ready at once.
    using _again = this.#nats.onConnect(() => {
      if (armed) end();
    });
    armed = true;
    this.#halt.signal.addEventListener('abort', end, { once: true });
    if (this.#halt.signal.aborted) end();
    const why = await messages.closed();
    this.#halt.signal.removeEventListener('abort', end);
    if (why instanceof Error) this.#log.warn({ err: why, consumer: this.#options.durable }, 'consumer was lost');
  }

  async #ensureConsumer(manager: JetStreamManager): Promise<ConsumerInfo> {
    const { stream, durable, filterSubject } = this.#options;
    const wanted = {
      ack_wait: nanos(this.#ackWaitMs),
      max_ack_pending: 1_000,
      ...(filterSubject === undefined ? {} : { filter_subject: filterSubject }),
    };
    try {
      const info = await manager.consumers.info(stream.name, durable);
      const same =
        info.config.ack_wait === wanted.ack_wait &&
        info.config.max_ack_pending === wanted.max_ack_pending &&
        (info.config.filter_subject ?? '') === (filterSubject ?? '');
      return same ? info : await manager.consumers.update(stream.name, durable, wanted);
    } catch (error) {
      if (!isApiError(error, JetStreamApiCodes.ConsumerNotFound)) throw error;
    }
    const made = await manager.consumers.add(stream.name, {
      ...wanted,
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
    });
    this.#tellFresh();
    return made;
  }

  #tellFresh(): void {
    const { onFresh, durable } = this.#options;
    if (onFresh === undefined) return;
    const tell = async (): Promise<void> => {
      try {
        await onFresh(this.#cut.signal);
      } catch (error) {
        this.#log.error({ err: toError(error), consumer: durable }, 'what was missed could not be fetched');
      }
    };
    this.#fresh = Promise.all([this.#fresh, tell()]).then(() => undefined);
  }

  #accept(raw: JsMsg): void {
    if (this.#halt.signal.aborted) {
      raw.nak(GIVE_BACK_MS);
      return;
    }
    const message = {
      subject: raw.subject,
      data: raw.data,
      headers: fromNatsHeaders(raw.headers),
      deliveries: raw.info.deliveryCount,
    };
    this.#held.add(raw);
    this.#lanes.push(this.#options.keyOf?.(message) ?? message.subject, { raw, message });
  }

  async #handle(raw: JsMsg, message: EventMessage): Promise<void> {
    const consumer = this.#options.durable;
    const { subject, deliveries } = message;
    const attributes = { 'messaging.destination.name': subject, 'weft.deliveries': deliveries };
    try {
      await inSpan(`consume ${consumer}`, { kind: 'consumer', parent: message.headers, attributes }, () =>
        this.#handler(message, this.#cut.signal),
      );
      handled.add(1, { consumer, outcome: 'done' });
      this.#answer(raw, () => {
        raw.ack();
      });
    } catch (thrown) {
      this.#failed(raw, message, toError(thrown));
    }
  }

  #failed(raw: JsMsg, { subject, deliveries }: EventMessage, err: Error): void {
    const consumer = this.#options.durable;
    if (err instanceof DomainError && err.code === 'invalid') {
      handled.add(1, { consumer, outcome: 'dropped' });
      this.#log.error({ err, subject, consumer }, 'event makes no sense and is dropped');
      this.#answer(raw, () => {
        raw.term(err.reason);
      });
      return;
    }
    handled.add(1, { consumer, outcome: 'again' });
    const fields = { err, subject, consumer, deliveries };
    if (deliveries >= WORRYING_DELIVERIES) this.#log.error(fields, 'event fails again and again');
    else this.#log.warn(fields, 'event failed and comes again');
    this.#answer(raw, () => {
      raw.nak(backoffMs(deliveries - 1, REDELIVER, Math.random));
    });
  }

  #answer(raw: JsMsg, answer: () => void): void {
    this.#held.delete(raw);
    this.#send(answer);
  }

  /** What does not get through only brings the message again. */
  #send(answer: () => void): void {
    try {
      answer();
    } catch (error) {
      this.#log.debug({ err: toError(error) }, 'answer to an event was not sent');
    }
  }
}

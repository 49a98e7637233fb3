import { context } from '@opentelemetry/api';
import { Batcher } from '#platform/async/batcher.ts';
import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { CommitSource, EventPublisher, Outbox, StoredEvent } from '#platform/store/store.ts';
import { counter, gauge } from '#platform/telemetry/instruments.ts';
import { fromCarrier } from '#platform/telemetry/spans.ts';
import { busUnavailable } from './connection.ts';

const outboxLength = gauge('weft_outbox_events', 'Events committed and not yet confirmed as published.');
const outboxAge = gauge('weft_outbox_age_seconds', 'Age of the oldest event not yet confirmed as published.');
const published = counter('weft_outbox_published', 'Events published, by how: right after the commit, or found later.');

export interface OutboxRelayOptions {
  /** How often the outbox is searched for what was left behind; 1 s unless told otherwise. */
  readonly sweepMs?: number;
}

/** Tells whether publishing makes sense, and when it does again. */
export interface BusPresence {
  readonly connected: boolean;
  onConnect(listener: () => void): Disposable;
}

const SWEEP_BATCH = 256;
const CONFIRM = { windowMs: 20, maxItems: 512, maxPending: 1_000_000 } as const;
const BACKOFF = { baseMs: 100, maxMs: 5_000 } as const;

/**
 * Brings committed events to the bus: at once after the commit of this process, and by searching the outbox for what a
 * crash or an absence of the bus left behind. Every event is published at least once, and forgotten only then. Any number
 * of relays may work on one outbox: what they publish twice has the same id.
 */
export class OutboxRelay implements Component {
  readonly name: string;
  readonly #source: Outbox & CommitSource;
  readonly #publisher: EventPublisher;
  readonly #bus: BusPresence;
  readonly #log: Log;
  readonly #sweepMs: number;
  readonly #confirms: Batcher<string>;
  readonly #halt = new AbortController();
  /** Being published, or published and being confirmed. */
  readonly #inFlight = new Map<string, Promise<boolean>>();
  #listening: DisposableStack | undefined;
  #sweeping: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  /** Set by each connection: what the outbox holds is then nobody's, however young. */
  #everything = true;

  constructor(
    source: Outbox & CommitSource,
    publisher: EventPublisher,
    bus: BusPresence,
    log: Log,
    options: OutboxRelayOptions = {},
  ) {
    this.name = `outbox-relay ${source.partition}`;
    this.#source = source;
    this.#publisher = publisher;
    this.#bus = bus;
    this.#log = log;
    this.#sweepMs = options.sweepMs ?? 1_000;
    this.#confirms = new Batcher((ids, signal) => source.confirm(ids, signal), CONFIRM);
  }

  start(): Promise<void> {
    this.#listening = new DisposableStack();
    this.#listening.use(
      this.#source.onCommitted((events) => {
        if (this.#bus.connected) for (const event of events) void this.#own(event, 'commit');
      }),
    );
    this.#listening.use(
      this.#bus.onConnect(() => {
        this.#everything = true;
        this.#wake?.();
      }),
    );
    this.#sweeping = this.#sweep();
    return Promise.resolve();
  }

  /** Waits for what is being published, as long as `signal` lets it; the rest stays in the outbox. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#listening?.dispose();
    const abandon = (): void => {
      this.#halt.abort();
    };
    if (signal.aborted) abandon();
    signal.addEventListener('abort', abandon, { once: true });
    await Promise.all(this.#inFlight.values());
    this.#halt.abort();
    this.#wake?.();
    await this.#sweeping;
    await this.#confirms.close(signal);
    signal.removeEventListener('abort', abandon);
    outboxLength.forget({ partition: this.#source.partition });
    outboxAge.forget({ partition: this.#source.partition });
  }

  /** Publishes an event unless that is under way already. Resolves with whether it is out; never rejects. */
  #own(event: StoredEvent, how: 'commit' | 'sweep'): Promise<boolean> {
    const known = this.#inFlight.get(event.id);
    if (known !== undefined) return known;
    const done = this.#publish(event, how).finally(() => this.#inFlight.delete(event.id));
    this.#inFlight.set(event.id, done);
    return done;
  }

  async #publish(event: StoredEvent, how: 'commit' | 'sweep'): Promise<boolean> {
    const { partition } = this.#source;
    try {
      await this.#publisher.publish(partition, event, this.#halt.signal);
      published.add(1, { partition, how });
      await this.#confirms.add(event.id);
      return true;
    } catch (error) {
      this.#log.debug({ err: toError(error), event: event.id }, 'event stays in the outbox');
      return false;
    }
  }

  async #sweep(): Promise<void> {
    let failures = 0;
    let seen: ReadonlySet<string> = new Set();
    while (!this.#halt.signal.aborted) {
      try {
        seen = await this.#sweepOnce(seen);
        failures = 0;
        await this.#rest();
      } catch (error) {
        if (this.#halt.signal.aborted) return;
        this.#log.warn({ err: toError(error), partition: this.#source.partition }, 'outbox could not be emptied');
        await sleep(backoffMs(failures, BACKOFF, Math.random), this.#halt.signal).catch(() => undefined);
        failures += 1;
      }
    }
  }

  /** Publishes what was there at the last sweep already, or everything; returns what is there. */
  async #sweepOnce(seen: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const { partition } = this.#source;
    const state = await this.#source.state(this.#halt.signal);
    outboxLength.set(state.length, { partition });
    outboxAge.set(state.oldestAgeMs / 1_000, { partition });
    if (!this.#bus.connected) return seen;
    const everything = this.#everything;
    this.#everything = false;
    if (state.length === 0) return new Set();
    try {
      return await this.#publishLeft((id) => everything || seen.has(id));
    } catch (error) {
      this.#everything = everything;
      throw error;
    }
  }

  async #publishLeft(isLeft: (id: string) => boolean): Promise<ReadonlySet<string>> {
    for (;;) {
      const events = await this.#source.read(SWEEP_BATCH, this.#halt.signal);
      // Known by having been there before, not by age: the clocks of Redis and of this machine may differ.
      const left = events.filter(({ id }) => isLeft(id) && !this.#inFlight.has(id));
      if (left.length > 0) this.#log.info({ events: left.length }, 'publishing events that were left behind');
      const out = await Promise.all(
        left.map((event) => context.with(fromCarrier(event.headers), () => this.#own(event, 'sweep'))),
      );
      if (out.includes(false)) throw busUnavailable(`${this.#source.partition}: events could not be published`);
      // What went out is gone from the outbox, so this comes to an end.
      if (events.length < SWEEP_BATCH || left.length === 0) return new Set(events.map(({ id }) => id));
    }
  }

  async #rest(): Promise<void> {
    // A connection made during the sweep: it may have missed what is there now.
    if (this.#everything && this.#bus.connected) return;
    const woken = new AbortController();
    this.#wake = () => {
      woken.abort();
    };
    if (!this.#halt.signal.aborted) await sleep(this.#sweepMs, woken.signal).catch(() => undefined);
    this.#wake = undefined;
  }
}

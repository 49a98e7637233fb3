import { isSpanContextValid, type Span } from '@opentelemetry/api';
import type { Component } from '#platform/lifecycle/component.ts';
import { factsOf, originOf } from '#platform/telemetry/origin.ts';
import type { Outcome } from '../model/operation.ts';
import { onAnnotated } from '../reconcile/annotate.ts';
import type { EventLog, HostEvent } from '../reconcile/event-log.ts';
import { causeOf } from './cause.ts';
import type { Ledger } from './ledger.ts';

/** Hears of all that is done on the host, within spans and by events, and has the ledger note it. */
export class Recorder implements Component {
  readonly name = 'ledger';
  readonly #ledger: Ledger;
  readonly #events: EventLog;
  readonly #halt = new AbortController();
  #listening: Disposable | undefined;
  #following: Promise<void> | undefined;

  constructor(ledger: Ledger, events: EventLog) {
    this.#ledger = ledger;
    this.#events = events;
  }

  async start(): Promise<void> {
    this.#ledger.load();
    this.#listening = onAnnotated((span, outcomes, time) => {
      this.#hear(span, outcomes, time === undefined ? Date.now() : Math.trunc(time));
    });
    this.#following = this.#follow();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#listening?.[Symbol.dispose]();
    this.#halt.abort();
    await this.#following;
    this.#ledger.stop();
  }

  #hear(span: Span, outcomes: readonly Outcome[], time: number): void {
    const context = span.spanContext();
    const { cause, caller } = causeOf({ ...factsOf(span), origin: originOf(span) });
    const traceId = isSpanContextValid(context) ? context.traceId : '';
    this.#ledger.note({ time, traceId, cause, caller }, outcomes);
  }

  async #follow(): Promise<void> {
    for await (const event of this.#events.watch(this.#halt.signal)) {
      const { time, traceId = '', message, outcomes = [] } = event;
      const cause = `this agent: ${CAUSES[event.kind] ?? message}`;
      this.#ledger.note({ time: time.getTime(), traceId, cause, caller: '' }, outcomes);
    }
  }
}

const CAUSES: Readonly<Partial<Record<HostEvent['kind'], string>>> = {
  drift: 'somebody else changed something on the host',
};

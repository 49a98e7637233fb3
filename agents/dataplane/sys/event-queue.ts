import { aborted } from '#platform/async/aborted.ts';
import type { KernelEvent } from '../model/host.ts';

/**
 * Kernel events between those who tell and one who listens. It never holds two row events of one device, two suspicions of
 * one network or two overruns, so that a slow listener costs no memory however much happens.
 */
export class EventQueue {
  #events: KernelEvent[] = [];
  readonly #told = new Set<string>();
  #wake = Promise.withResolvers<void>();

  push(event: KernelEvent): void {
    const once = onceFor(event);
    if (once !== undefined) {
      if (this.#told.has(once)) return;
      this.#told.add(once);
    }
    this.#events.push(event);
    this.#wake.resolve();
  }

  /** All events from now on, until `signal` aborts; then it just ends. */
  async *drain(signal: AbortSignal): AsyncGenerator<KernelEvent, void> {
    using abort = aborted(signal);
    const halt = abort.promise.catch(() => undefined);
    while (!signal.aborted) {
      const events = this.#events;
      this.#events = [];
      this.#told.clear();
      this.#wake = Promise.withResolvers<void>();
      for (const event of events) {
        if (signal.aborted) return;
        yield event;
      }
      if (this.#events.length === 0) await Promise.race([this.#wake.promise, halt]);
    }
  }
}

/** What it is enough to be told of once; undefined for an event that tells more than that something is to be looked at. */
const onceFor = (event: KernelEvent): string | undefined => {
  if (event.kind === 'row') return `row ${event.device}`;
  if (event.kind === 'network') return `network ${event.vni.toString()}`;
  return event.kind === 'overrun' || event.kind === 'guards' ? event.kind : undefined;
};

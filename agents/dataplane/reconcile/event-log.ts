import type { Outcome } from '../model/operation.ts';

/** What happened on this host, for `WatchEvents`, the log and the traces. */
export interface HostEvent {
  readonly kind:
    | 'port-up'
    | 'port-down'
    | 'device-unknown'
    | 'drift'
    | 'repair'
    | 'refused'
    | 'resync'
    | 'lost'
    | 'warning'
    | 'machine';
  readonly time: Date;
  readonly message: string;
  readonly networkId?: string;
  readonly portId?: string;
  readonly device?: string;
  /** The overlay, when it is one without a control plane. */
  readonly overlay?: string;
  readonly outcomes?: readonly Outcome[];
  readonly traceId?: string;
}

const BACKLOG = 1024;

interface Reader {
  readonly queue: HostEvent[];
  lost: number;
  wake: () => void;
}

/** Hands events to whoever listens; a reader that does not keep up loses the oldest and is told how many. */
export class EventLog {
  readonly #readers = new Set<Reader>();

  emit(event: Omit<HostEvent, 'time'>): void {
    const stamped = { ...event, time: new Date() };
    for (const reader of this.#readers) {
      reader.queue.push(stamped);
      if (reader.queue.length > BACKLOG) {
        reader.queue.shift();
        reader.lost += 1;
      }
      reader.wake();
    }
  }

  /** Events from now on until `signal` aborts. */
  async *watch(signal: AbortSignal): AsyncGenerator<HostEvent> {
    const reader: Reader = { queue: [], lost: 0, wake: () => undefined };
    this.#readers.add(reader);
    const onAbort = (): void => {
      reader.wake();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!signal.aborted) {
        if (reader.lost > 0) {
          const message = `${reader.lost.toString()} events were lost: this reader is too slow`;
          reader.lost = 0;
          yield { kind: 'lost', time: new Date(), message };
        }
        const next = reader.queue.shift();
        if (next !== undefined) {
          yield next;
          continue;
        }
        const woken = Promise.withResolvers<undefined>();
        reader.wake = () => {
          woken.resolve(undefined);
        };
        // An event may have come between the look at the queue and the change of `wake`; both are on this tick.
        await woken.promise;
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#readers.delete(reader);
    }
  }
}

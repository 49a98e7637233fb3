import type { CommitSource, StoredEvent } from './store.ts';

/** The listeners of a store's commits. */
export class CommittedEvents implements CommitSource {
  readonly #listeners = new Set<(events: readonly StoredEvent[]) => void>();

  onCommitted(listener: (events: readonly StoredEvent[]) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Tells every listener, unless there is nothing to tell. */
  announce(events: readonly StoredEvent[]): void {
    if (events.length === 0) return;
    for (const listener of this.#listeners) listener(events);
  }
}

import { CommittedEvents } from '#platform/store/committed-events.ts';
import { OptimisticStore } from '#platform/store/optimistic.ts';
import type {
  Collection,
  CommitSource,
  Outbox,
  OutboxState,
  Page,
  Store,
  StoredEvent,
  Transaction,
  Versioned,
} from '#platform/store/store.ts';
import type { RedisConnection } from './connection.ts';
import { RedisBackend } from './redis-backend.ts';

/**
 * One partition in Redis: its records and the outbox of what happened to them, written by one script per commit. A commit
 * whose answer was lost fails with DomainError `unavailable` and may have been done: callers ask again with the same
 * `request_id`.
 */
export class RedisStore implements Store, Outbox, CommitSource {
  readonly partition: string;
  readonly #backend: RedisBackend;
  readonly #store: OptimisticStore;
  readonly #committed = new CommittedEvents();

  /** `partition`: the keys' hash tag, of letters, digits, dots and dashes. */
  constructor(redis: RedisConnection, partition: string) {
    this.partition = partition;
    this.#backend = new RedisBackend(redis, partition);
    this.#store = new OptimisticStore(this.#backend, this.#committed);
  }

  async transact<R>(work: (tx: Transaction) => Promise<R>, signal: AbortSignal): Promise<R> {
    return await this.#store.transact(work, signal);
  }

  async get<T>(from: Collection<T>, id: string, signal: AbortSignal): Promise<Versioned<T> | undefined> {
    return await this.#store.get(from, id, signal);
  }

  async list<T>(
    from: Collection<T>,
    options: { readonly index?: string; readonly after?: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<Page<T>> {
    return await this.#store.list(from, options, signal);
  }

  onCommitted(listener: (events: readonly StoredEvent[]) => void): Disposable {
    return this.#committed.onCommitted(listener);
  }

  async read(limit: number, signal: AbortSignal): Promise<readonly StoredEvent[]> {
    return await this.#backend.events(limit, signal);
  }

  async confirm(ids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#backend.confirm(ids, signal);
  }

  async state(signal: AbortSignal): Promise<OutboxState> {
    return await this.#backend.outboxState(signal);
  }
}

import type { Clock } from '#platform/async/clock.ts';
import { CommittedEvents } from './committed-events.ts';
import { recordName } from './buffered-transaction.ts';
import type { Changes, CommitOutcome, RawRecord, RecordChange, RecordKey, StoreBackend } from './changes.ts';
import { OptimisticStore } from './optimistic.ts';
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
} from './store.ts';

interface MemoryRecord extends RecordKey, RawRecord {
  readonly indexes: readonly string[];
  /** Milliseconds of the store's clock. */
  readonly endsAt?: number;
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** A partition in this process's memory: behaves as the Redis store does, forgets everything with the process. */
export class MemoryStore implements Store, Outbox, CommitSource {
  readonly partition: string;
  readonly #backend: MemoryBackend;
  readonly #store: OptimisticStore;
  readonly #committed = new CommittedEvents();

  /** The clock ends records and dates events. */
  constructor(partition: string, clock: Pick<Clock, 'now'>) {
    this.partition = partition;
    this.#backend = new MemoryBackend(clock);
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

  read(limit: number, signal: AbortSignal): Promise<readonly StoredEvent[]> {
    signal.throwIfAborted();
    return Promise.resolve(this.#backend.outbox.slice(0, limit));
  }

  confirm(ids: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const gone = new Set(ids);
    this.#backend.outbox = this.#backend.outbox.filter((event) => !gone.has(event.id));
    return Promise.resolve();
  }

  state(signal: AbortSignal): Promise<OutboxState> {
    signal.throwIfAborted();
    return Promise.resolve(this.#backend.outboxState());
  }
}

class MemoryBackend implements StoreBackend {
  outbox: readonly StoredEvent[] = [];
  readonly #records = new Map<string, MemoryRecord>();
  readonly #clock: Pick<Clock, 'now'>;
  #lastEvent = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  read(keys: readonly RecordKey[], signal: AbortSignal): Promise<readonly RawRecord[]> {
    signal.throwIfAborted();
    return Promise.resolve(keys.map((key) => this.#record(key) ?? { version: 0 }));
  }

  ids(
    collection: string,
    index: string | undefined,
    after: string | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    signal.throwIfAborted();
    const ids = [...this.#records.values()]
      .filter((record) => record.collection === collection && record.text !== undefined && record.endsAt === undefined)
      .filter((record) => index === undefined || record.indexes.includes(index))
      .map(({ id }) => id)
      .filter((id) => after === undefined || byBytes(id, after) > 0)
      .sort(byBytes);
    return Promise.resolve(ids.slice(0, limit));
  }

  commit(changes: Changes, signal: AbortSignal): Promise<CommitOutcome> {
    signal.throwIfAborted();
    const lost = changes.records.flatMap(({ collection, id, expected }) => {
      const { version = 0, text } = this.#record({ collection, id }) ?? {};
      return version === expected ? [] : [{ collection, id, version, alive: text !== undefined }];
    });
    if (lost.length > 0) return Promise.resolve({ committed: false, lost });
    changes.records.forEach((change) => {
      this.#write(change);
    });
    const events = changes.events.map((event) => ({ ...event, id: this.#nextId() }));
    this.outbox = [...this.outbox, ...events];
    return Promise.resolve({ committed: true, events });
  }

  outboxState(): OutboxState {
    const [oldest] = this.outbox;
    if (oldest === undefined) return { length: 0, oldestAgeMs: 0 };
    return { length: this.outbox.length, oldestAgeMs: Math.max(0, this.#clock.now() - Number.parseInt(oldest.id, 10)) };
  }

  #record(key: RecordKey): MemoryRecord | undefined {
    const name = recordName(key);
    const record = this.#records.get(name);
    if (record?.endsAt === undefined || record.endsAt > this.#clock.now()) return record;
    this.#records.delete(name);
    return undefined;
  }

  #write({ collection, id, expected, write }: RecordChange): void {
    if (write === undefined) return;
    const { text, indexes, ttlSeconds } = write;
    this.#records.set(recordName({ collection, id }), {
      collection,
      id,
      version: expected + 1,
      indexes,
      ...(text === undefined ? {} : { text }),
      ...(ttlSeconds === undefined ? {} : { endsAt: this.#clock.now() + ttlSeconds * 1_000 }),
    });
  }

  #nextId(): string {
    this.#lastEvent += 1;
    return `${Math.trunc(this.#clock.now()).toString()}-${this.#lastEvent.toString()}`;
  }
}

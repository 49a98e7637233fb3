/**
 * Grows by one with each commit that writes or deletes a record, and goes on growing when a deleted id is used again
 * (for a day after the deletion), so that an `etag` of an earlier life does not fit a later one.
 */
export type Version = number;

export interface Versioned<T> {
  readonly value: T;
  readonly version: Version;
}

/**
 * A kind of record. `indexes` names the secondary indexes a value stands in (for example `network:<id>`); the store
 * keeps them in the same commit as the value.
 */
export interface Collection<T> {
  readonly name: string;
  /** Reads what `encode` wrote; throws on anything else. */
  decode(text: string): T;
  encode(value: T): string;
  indexes?(value: T): readonly string[];
}

/** What happened, to be published at least once after the commit that caused it. */
export interface OutgoingEvent {
  /** NATS subject. */
  readonly subject: string;
  readonly payload: Uint8Array;
  /** W3C trace context and the like; becomes the message's headers. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An event in the outbox; `id` is its place in commit order and, with the partition's name, its NATS message id. */
export interface StoredEvent extends OutgoingEvent {
  readonly id: string;
}

/** What `work` sees: records as stored, with its own buffered writes over them. */
export interface Transaction {
  get<T>(from: Collection<T>, id: string): Promise<Versioned<T> | undefined>;
  /** Several records in one round trip, in the order of `ids`. */
  getMany<T>(from: Collection<T>, ids: readonly string[]): Promise<readonly (Versioned<T> | undefined)[]>;
  /** Ids under an index, in id order (not guarded against concurrent change: use for hints and checks repeated later). */
  idsBy<T>(from: Collection<T>, index: string, limit: number): Promise<readonly string[]>;
  /**
   * Buffers a write and returns the version the record will have (what the answer's `etag` is made of). The record must
   * have been read in this transaction, or be `expected: 'absent'`. DomainError `conflict` when `expected` is not what
   * the transaction sees; an unread record that turns out to exist makes the work run again, so read what may exist.
   * `ttlSeconds` lets the record end by itself (replay records); such a record stands in no index, so `list` and `idsBy`
   * never show it.
   */
  put<T>(into: Collection<T>, id: string, value: T, expected: Version | 'absent', ttlSeconds?: number): Version;
  /** Buffers a removal of a record read in this transaction. */
  delete<T>(from: Collection<T>, id: string, expected: Version): void;
  /** Joins the outbox in the same commit: no write without its event, no event without its write. */
  emit(event: OutgoingEvent): void;
}

export interface Page<T> {
  readonly items: readonly Versioned<T>[];
  /** The last id of this page when there may be more; pass it as `after`. */
  readonly next?: string;
}

export interface Store {
  /**
   * Runs `work`, commits atomically and returns its result; runs it again when a record it read or wrote changed
   * meanwhile, so `work` must be pure but for `tx`. A work that wrote nothing commits nothing.
   * Throws DomainError `conflict` after too many lost races, `unavailable` when the store cannot be reached.
   */
  transact<R>(work: (tx: Transaction) => Promise<R>, signal: AbortSignal): Promise<R>;
  get<T>(from: Collection<T>, id: string, signal: AbortSignal): Promise<Versioned<T> | undefined>;
  /** Records in id order; `index` narrows to one index key. */
  list<T>(
    from: Collection<T>,
    options: { readonly index?: string; readonly after?: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<Page<T>>;
}

/** The events a partition has committed and nobody has confirmed as published. */
export interface Outbox {
  readonly partition: string;
  /** Oldest first. */
  read(limit: number, signal: AbortSignal): Promise<readonly StoredEvent[]>;
  /** Forgets published events; forgetting the absent is no error. */
  confirm(ids: readonly string[], signal: AbortSignal): Promise<void>;
  state(signal: AbortSignal): Promise<OutboxState>;
}

export interface OutboxState {
  readonly length: number;
  /** Milliseconds since the oldest event was committed; 0 when there is none. */
  readonly oldestAgeMs: number;
}

/** Hears of events the moment they are committed. */
export interface CommitSource {
  /**
   * Calls `listener` synchronously after each commit of this process that emitted, in commit order as far as this
   * process can know it, before `transact` resolves. A listener must not throw. Disposing ends it.
   */
  onCommitted(listener: (events: readonly StoredEvent[]) => void): Disposable;
}

/** Publishes durably; publishing the same event twice is seen once by consumers (dedup by id). */
export interface EventPublisher {
  publish(partition: string, event: StoredEvent, signal: AbortSignal): Promise<void>;
}

/** Grows by one with each write of a record; what an `etag` is made of. */
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

export interface Transaction {
  get<T>(from: Collection<T>, id: string): Promise<Versioned<T> | undefined>;
  /** Several records in one round trip, in the order of `ids`. */
  getMany<T>(from: Collection<T>, ids: readonly string[]): Promise<readonly (Versioned<T> | undefined)[]>;
  /** Ids under an index, in id order (not guarded against concurrent change: use for hints and checks repeated later). */
  idsBy<T>(from: Collection<T>, index: string, limit: number): Promise<readonly string[]>;
  /**
   * Buffers a write. The record must have been read in this transaction, or be `expected: 'absent'`.
   * `ttlSeconds` lets the record end by itself (replay records).
   */
  put<T>(into: Collection<T>, id: string, value: T, expected: Version | 'absent', ttlSeconds?: number): void;
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
}

/** Publishes durably; publishing the same event twice is seen once by consumers (dedup by id). */
export interface EventPublisher {
  publish(partition: string, event: StoredEvent, signal: AbortSignal): Promise<void>;
}

import type { OutgoingEvent, StoredEvent, Version } from './store.ts';

/** Where a record lives inside a partition. `collection` holds no colon; `id` is any text that is not empty. */
export interface RecordKey {
  readonly collection: string;
  readonly id: string;
}

/**
 * A record as stored. Version 0: never written. A version without text: deleted, kept for a while so that versions go on
 * growing when the id comes back.
 */
export interface RawRecord {
  readonly version: Version;
  readonly text?: string;
}

export interface RecordWrite {
  /** Absent: the record is deleted. */
  readonly text?: string;
  readonly ttlSeconds?: number;
  /** Index keys the record stands in from now on; empty when deleted or ending by itself. */
  readonly indexes: readonly string[];
  /** Index keys it stood in and leaves. */
  readonly leaves: readonly string[];
}

/** One record a transaction has seen: committed only while its version is still `expected`. */
export interface RecordChange extends RecordKey {
  readonly expected: Version;
  /** Absent: only read. The new version is `expected + 1`. */
  readonly write?: RecordWrite;
}

export interface Changes {
  readonly records: readonly RecordChange[];
  readonly events: readonly OutgoingEvent[];
}

/** A record another commit changed first, and what it is now. */
export interface LostRace extends RecordKey {
  readonly version: Version;
  readonly alive: boolean;
}

/** All or nothing: either the events got their ids, or nothing was written. */
export type CommitOutcome =
  | { readonly committed: true; readonly events: readonly StoredEvent[] }
  | { readonly committed: false; readonly lost: readonly LostRace[] };

/** What a kind of storage must do; transactions are the same over all of them. */
export interface StoreBackend {
  /** In the order of `keys`, in one round trip. */
  read(keys: readonly RecordKey[], signal: AbortSignal): Promise<readonly RawRecord[]>;
  /** Ids after `after`, in byte order. `index` undefined: all records that do not end by themselves. */
  ids(
    collection: string,
    index: string | undefined,
    after: string | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /** DomainError `unavailable` when the outcome is not known. */
  commit(changes: Changes, signal: AbortSignal): Promise<CommitOutcome>;
}

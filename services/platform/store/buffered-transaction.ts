import { DomainError } from '#platform/errors/domain-error.ts';
import type { Changes, RawRecord, RecordChange, RecordKey, StoreBackend } from './changes.ts';
import type { Collection, OutgoingEvent, Transaction, Version, Versioned } from './store.ts';

/** A name for a record within a partition. */
export const recordName = (key: RecordKey): string => `${key.collection}:${key.id}`;

/** Reads a stored record; `undefined` when it was never written or is deleted. */
export const decodeRecord = <T>(from: Collection<T>, id: string, raw: RawRecord): Versioned<T> | undefined => {
  if (raw.text === undefined) return undefined;
  try {
    return { value: from.decode(raw.text), version: raw.version };
  } catch (cause) {
    throw new DomainError('internal', 'RECORD_UNREADABLE', `${from.name} ${id}: the stored record cannot be read`, {
      cause,
    });
  }
};

interface Pending {
  /** Absent: deleted. */
  readonly text?: string;
  readonly ttlSeconds?: number;
  readonly indexes: readonly string[];
  /** Index keys of the stored value. */
  readonly stood: readonly string[];
}

interface Entry extends RecordKey {
  readonly raw: RawRecord;
  /** Written as absent without a look. */
  readonly unread?: true;
  pending?: Pending;
}

const conflict = (from: string, id: string, expected: Version | 'absent', visible: Version | undefined): DomainError =>
  new DomainError(
    'conflict',
    'VERSION_MISMATCH',
    `${from} ${id} was expected ${expected === 'absent' ? 'not to exist' : `at version ${expected.toString()}`}, but ` +
      (visible === undefined ? 'does not exist' : `is at version ${visible.toString()}`),
    { details: { collection: from, id } },
  );

/** Reads through to a backend and keeps writes and events until the commit takes them. */
export class BufferedTransaction implements Transaction {
  readonly #backend: StoreBackend;
  readonly #learnt: ReadonlyMap<string, Version>;
  readonly #beforeRead: (names: readonly string[]) => Promise<void> | undefined;
  readonly #signal: AbortSignal;
  readonly #entries = new Map<string, Entry>();
  readonly #events: OutgoingEvent[] = [];

  /**
   * `learnt`: versions of deleted records, from a commit that lost to them. `beforeRead` may hold up the reading of
   * records others are about to change.
   */
  constructor(
    backend: StoreBackend,
    learnt: ReadonlyMap<string, Version>,
    beforeRead: (names: readonly string[]) => Promise<void> | undefined,
    signal: AbortSignal,
  ) {
    this.#backend = backend;
    this.#learnt = learnt;
    this.#beforeRead = beforeRead;
    this.#signal = signal;
  }

  async get<T>(from: Collection<T>, id: string): Promise<Versioned<T> | undefined> {
    const [record] = await this.getMany(from, [id]);
    return record;
  }

  async getMany<T>(from: Collection<T>, ids: readonly string[]): Promise<readonly (Versioned<T> | undefined)[]> {
    const unknown = [...new Set(ids)]
      .map((id) => ({ collection: from.name, id }))
      .filter((key) => !this.#entries.has(recordName(key)));
    if (unknown.length > 0) {
      const held = this.#beforeRead(unknown.map(recordName));
      if (held !== undefined) await held;
      const raws = await this.#backend.read(unknown, this.#signal);
      unknown.forEach((key, at) => {
        // Two reads of one record may have been under way at once: the transaction has seen the first only.
        const name = recordName(key);
        if (!this.#entries.has(name)) this.#entries.set(name, { ...key, raw: raws[at] ?? { version: 0 } });
      });
    }
    return ids.map((id) => this.#visible(from, id));
  }

  /** Whether a record was written as absent without having been read. */
  isUnread(key: RecordKey): boolean {
    return this.#entries.get(recordName(key))?.unread === true;
  }

  async idsBy<T>(from: Collection<T>, index: string, limit: number): Promise<readonly string[]> {
    return await this.#backend.ids(from.name, index, undefined, limit, this.#signal);
  }

  put<T>(into: Collection<T>, id: string, value: T, expected: Version | 'absent', ttlSeconds?: number): Version {
    const entry = this.#entry(into, id, expected);
    this.#expect(entry, expected);
    // What ends by itself would leave its index entries behind.
    const indexes = ttlSeconds === undefined ? (into.indexes?.(value) ?? []) : [];
    const stood = storedIndexes(into, entry);
    entry.pending = { text: into.encode(value), indexes, stood, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) };
    return entry.raw.version + 1;
  }

  delete<T>(from: Collection<T>, id: string, expected: Version): void {
    const entry = this.#entry(from, id, expected);
    this.#expect(entry, expected);
    entry.pending = { indexes: [], stood: storedIndexes(from, entry) };
  }

  emit(event: OutgoingEvent): void {
    this.#events.push(event);
  }

  /** What is to be committed; `undefined` when nothing was written. */
  changes(): Changes | undefined {
    const records = [...this.#entries.values()].map(toChange);
    if (this.#events.length === 0 && records.every(({ write }) => write === undefined)) return undefined;
    return { records, events: this.#events };
  }

  #visible<T>(from: Collection<T>, id: string): Versioned<T> | undefined {
    const entry = this.#entries.get(recordName({ collection: from.name, id }));
    if (entry === undefined) return undefined;
    const { raw, pending } = entry;
    const { text } = pending ?? raw;
    if (text === undefined) return undefined;
    return decodeRecord(from, id, { text, version: visibleVersion(entry) ?? raw.version });
  }

  #entry<T>(of: Collection<T>, id: string, expected: Version | 'absent'): Entry {
    if (id === '') throw new DomainError('internal', 'EMPTY_RECORD_ID', `${of.name}: a record needs an id`);
    const key = { collection: of.name, id };
    const name = recordName(key);
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    if (expected !== 'absent') {
      throw new DomainError('internal', 'RECORD_UNREAD', `${name} is written without having been read`);
    }
    const entry: Entry = { ...key, raw: { version: this.#learnt.get(name) ?? 0 }, unread: true };
    this.#entries.set(name, entry);
    return entry;
  }

  #expect(entry: Entry, expected: Version | 'absent'): void {
    const visible = visibleVersion(entry);
    if ((visible ?? 'absent') !== expected) throw conflict(entry.collection, entry.id, expected, visible);
  }
}

const visibleVersion = ({ raw, pending }: Entry): Version | undefined => {
  if (pending !== undefined) return pending.text === undefined ? undefined : raw.version + 1;
  return raw.text === undefined ? undefined : raw.version;
};

const storedIndexes = <T>(of: Collection<T>, { id, raw, pending }: Entry): readonly string[] => {
  if (pending !== undefined) return pending.stood;
  if (of.indexes === undefined) return [];
  const stored = decodeRecord(of, id, raw);
  return stored === undefined ? [] : of.indexes(stored.value);
};

const toChange = ({ collection, id, raw, pending }: Entry): RecordChange => {
  const change = { collection, id, expected: raw.version };
  // Made and removed again within the transaction: nothing to write.
  if (pending === undefined || (pending.text === undefined && raw.text === undefined)) return change;
  const { stood, ...write } = pending;
  const stays = new Set(pending.indexes);
  return { ...change, write: { ...write, leaves: stood.filter((index) => !stays.has(index)) } };
};

import { DomainError } from '#platform/errors/domain-error.ts';
import type {
  Changes,
  CommitOutcome,
  LostRace,
  RawRecord,
  RecordChange,
  RecordKey,
  StoreBackend,
} from '#platform/store/changes.ts';
import type { OutboxState, StoredEvent } from '#platform/store/store.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import { type RedisConnection, toDomainError } from './connection.ts';
import { eventFields, toStoredEvent } from './outbox-fields.ts';

type Argument = string | Buffer;

/** One partition's keys: they share a hash tag and so a node of a cluster. */
export class RedisBackend implements StoreBackend {
  readonly #redis: RedisConnection;
  readonly #partition: string;
  readonly #prefix: string;
  readonly #outbox: string;

  constructor(redis: RedisConnection, partition: string) {
    this.#redis = redis;
    this.#partition = partition;
    this.#prefix = `weft:{${partition}}:`;
    this.#outbox = `${this.#prefix}outbox`;
  }

  async read(keys: readonly RecordKey[], signal: AbortSignal): Promise<readonly RawRecord[]> {
    if (keys.length === 0) return [];
    const replies = await this.#redis.run(async (client) => {
      const batch = client.pipeline();
      for (const key of keys) batch.hmget(this.#recordKey(key), 'v', 'd');
      return await batch.exec();
    }, signal);
    return (replies ?? []).map(toRecord);
  }

  async ids(
    collection: string,
    index: string | undefined,
    after: string | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const key = this.#indexKey(collection, index);
    const from = after === undefined ? '-' : `(${after}`;
    return await this.#redis.run((client) => client.zrange(key, from, '+', 'BYLEX', 'LIMIT', 0, limit), signal);
  }

  async commit(changes: Changes, signal: AbortSignal): Promise<CommitOutcome> {
    const { keys, args } = this.#arguments(changes);
    const reply = await inSpan(`redis.commit ${this.#partition}`, { kind: 'client' }, () =>
      this.#redis.run((client) => client.weftCommit(keys.length, ...keys, ...args), signal),
    );
    return toOutcome(reply, changes);
  }

  async events(limit: number, signal: AbortSignal): Promise<readonly StoredEvent[]> {
    const entries = await this.#redis.run(
      (client) => client.xrangeBuffer(this.#outbox, '-', '+', 'COUNT', limit),
      signal,
    );
    return entries.map(([id, fields]) => toStoredEvent(id, fields));
  }

  async confirm(ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return;
    await this.#redis.run((client) => client.xdel(this.#outbox, ...ids), signal);
  }

  async outboxState(signal: AbortSignal): Promise<OutboxState> {
    const [length, oldest, [seconds, micros]] = await this.#redis.run(
      (client) =>
        Promise.all([client.xlen(this.#outbox), client.xrange(this.#outbox, '-', '+', 'COUNT', 1), client.time()]),
      signal,
    );
    // The id begins with Redis's own clock, so its age is measured on the same one.
    const [id] = oldest[0] ?? [];
    const age = id === undefined ? 0 : Number(seconds) * 1_000 + Number(micros) / 1_000 - Number.parseInt(id, 10);
    return { length, oldestAgeMs: Math.max(0, Math.round(age)) };
  }

  #recordKey({ collection, id }: RecordKey): string {
    return `${this.#prefix}r:${collection}:${id}`;
  }

  /** Without `index`: of all records of a collection. */
  #indexKey(collection: string, index: string | undefined): string {
    return index === undefined ? `${this.#prefix}a:${collection}` : `${this.#prefix}i:${collection}:${index}`;
  }

  /** As `COMMIT_SCRIPT` reads them. */
  #arguments({ records, events }: Changes): { readonly keys: readonly string[]; readonly args: readonly Argument[] } {
    const keys = [this.#outbox, ...records.map((record) => this.#recordKey(record))];
    const places = new Map<string, number>();
    const place = (key: string): string => {
      const known = places.get(key) ?? keys.push(key);
      places.set(key, known);
      return known.toString();
    };
    const steps = records.flatMap((record) =>
      indexSteps(record).map(({ step, index }) => [step, place(this.#indexKey(record.collection, index)), record.id]),
    );
    const args = [
      records.length.toString(),
      ...records.flatMap(recordArguments),
      steps.length.toString(),
      ...steps.flat(),
      events.length.toString(),
      ...events.flatMap(eventFields),
    ];
    return { keys, args };
  }
}

const recordArguments = ({ expected, write }: RecordChange): readonly string[] => {
  if (write === undefined) return [expected.toString(), '', '', '', '0'];
  const operation = write.text === undefined ? 'd' : 'p';
  const seconds = Math.ceil(write.ttlSeconds ?? 0).toString();
  return [expected.toString(), operation, (expected + 1).toString(), write.text ?? '', seconds];
};

interface IndexStep {
  readonly step: '+' | '-';
  readonly index: string | undefined;
}

const indexSteps = ({ expected, write }: RecordChange): readonly IndexStep[] => {
  if (write === undefined) return [];
  const { text, ttlSeconds, indexes, leaves } = write;
  const listed = text !== undefined && ttlSeconds === undefined;
  const all: readonly IndexStep[] = listed
    ? [{ step: '+', index: undefined }]
    : expected === 0
      ? []
      : [{ step: '-', index: undefined }];
  return [
    ...all,
    ...leaves.map((index) => ({ step: '-', index }) as const),
    ...indexes.map((index) => ({ step: '+', index }) as const),
  ];
};

const toRecord = ([error, fields]: readonly [Error | null, unknown]): RawRecord => {
  if (error !== null) throw toDomainError(error);
  const [version, text] = asArray(fields);
  return { version: Number(version ?? 0), ...(typeof text === 'string' ? { text } : {}) };
};

const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const toOutcome = (reply: unknown, { records, events }: Changes): CommitOutcome => {
  const [committed, rows] = asArray(reply);
  if (!Array.isArray(rows)) throw unreadable(reply);
  if (committed === 1) {
    return {
      committed: true,
      events: events.map((event, at) => {
        const id = asArray(rows)[at];
        if (typeof id !== 'string') throw unreadable(reply);
        return { ...event, id };
      }),
    };
  }
  const lost = asArray(rows).map((row): LostRace => {
    const [at, version, alive] = asArray(row);
    const record = typeof at === 'number' ? records[at - 1] : undefined;
    if (record === undefined) throw unreadable(reply);
    return { collection: record.collection, id: record.id, version: Number(version), alive: alive === 1 };
  });
  return { committed: false, lost };
};

const unreadable = (reply: unknown): DomainError =>
  new DomainError('internal', 'STORE_REPLY', `the commit script answered ${JSON.stringify(reply)}`);

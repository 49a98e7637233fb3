import type { Uuid } from '#platform/net/names.ts';
import type { RedisConnection } from '#platform/redis/connection.ts';
import type { ChangesSince, EntryPage, TableReader } from '../app/ports.ts';
import type { TableSnapshot, TableState } from '../domain/table.ts';
import { atOnce, list, pairs, unwrapped } from './replies.ts';
import { tableKeys } from './table-keys.ts';
import { parseEntry, parseHost, parseRecord, parseRevision, type StoredHost } from './table-text.ts';

/** Reads tables; what belongs together is read in one transaction, so that it is of one revision. */
export class RedisTableReader implements TableReader {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async snapshot(networkId: Uuid, signal: AbortSignal): Promise<TableSnapshot> {
    const { state, hosts, entries } = tableKeys(networkId);
    const [revision, hostTexts, entryTexts] = await atOnce(
      this.#redis,
      (batch) => batch.hget(state, 'r').hgetall(hosts).hgetall(entries),
      signal,
    );
    const at = toHosts(hostTexts);
    return {
      revision: Number(revision ?? 0),
      entries: pairs(entryTexts).map(([portId, text]) => parseEntry(portId, text, at).entry),
    };
  }

  async page(networkId: Uuid, after: string | undefined, limit: number, signal: AbortSignal): Promise<EntryPage> {
    const { state, hosts, entries } = tableKeys(networkId);
    const ids = await this.#redis.run((client) => client.hkeys(entries), signal);
    const due = ids.filter((id) => after === undefined || id > after).sort();
    const wanted = due.slice(0, limit);
    const [revision, hostTexts, texts] = await atOnce(
      this.#redis,
      (batch) => {
        batch.hget(state, 'r').hgetall(hosts);
        return wanted.length === 0 ? batch : batch.hmget(entries, ...wanted);
      },
      signal,
    );
    const at = toHosts(hostTexts);
    const found = list(texts);
    const last = wanted.at(-1);
    return {
      revision: Number(revision ?? 0),
      // One that went away between the two looks is not there any more.
      entries: wanted.flatMap((portId, place) => {
        const text = found[place];
        return typeof text === 'string' ? [parseEntry(portId, text, at).entry] : [];
      }),
      ...(due.length > wanted.length && last !== undefined && { next: last }),
    };
  }

  async changesSince(networkId: Uuid, since: number, limit: number, signal: AbortSignal): Promise<ChangesSince> {
    const { state, changes } = tableKeys(networkId);
    const [current, found] = await atOnce(
      this.#redis,
      (batch) => batch.hget(state, 'r').xrange(changes, `(${since.toString()}-0`, '+', 'COUNT', limit),
      signal,
    );
    const revision = Number(current ?? 0);
    const records = list(found).map((record) => {
      const [id, fields]: readonly unknown[] = list(record);
      return parseRevision(Number.parseInt(String(id), 10), list(fields).map(String));
    });
    // Revisions have no holes, so the first one kept must be the next one.
    const expired = since > revision || (since < revision && records[0]?.revision !== since + 1);
    return expired ? { expired, revision } : { expired, revision, changes: records };
  }

  async states(networkIds: readonly Uuid[], signal: AbortSignal): Promise<readonly TableState[]> {
    if (networkIds.length === 0) return [];
    const replies = await this.#redis.run(async (client) => {
      const batch = client.pipeline();
      // Not of one moment, but in this order: what is read later can only be newer.
      for (const { state, hosts, acks } of networkIds.map(tableKeys))
        batch.hget(state, 'r').hgetall(hosts).hgetall(acks);
      return await batch.exec();
    }, signal);
    const values = unwrapped(replies);
    return networkIds.map((networkId, at) => {
      const [revision, hosts, acks] = values.slice(at * 3);
      return toState(networkId, revision, hosts, acks);
    });
  }
}

const toState = (networkId: Uuid, revision: unknown, hosts: unknown, acks: unknown): TableState => {
  const records = new Map(pairs(acks));
  const members = pairs(hosts).map(([hostId, text]) => {
    const { vtep, entries } = parseHost(hostId, text);
    const record = records.get(hostId);
    return { vtep, entries, ...(record !== undefined && { record: parseRecord(record) }) };
  });
  members.sort((a, b) => (a.vtep.hostId < b.vtep.hostId ? -1 : 1));
  return { networkId, revision: Number(revision ?? 0), members };
};

const toHosts = (texts: unknown): ReadonlyMap<string, StoredHost> =>
  new Map(pairs(texts).map(([id, text]) => [id, parseHost(id, text)]));

import { digestOf, digestOfRows, entryRows, floodRow, formatDigest } from '#platform/net/forwarding-digest.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { RedisConnection } from '#platform/redis/connection.ts';
import type { AuditedEntry, TableAudit } from '../app/ports.ts';
import type { ForwardingEntry } from '../domain/entry.ts';
import { withScripts } from './redis-commands.ts';
import { atOnce, pairs } from './replies.ts';
import { tableKeys } from './table-keys.ts';
import { hostText, parseEntry, parseHost, type StoredHost } from './table-text.ts';

/** Looks at whole tables for what only follows from their parts. */
export class RedisTableAudit implements TableAudit {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async entries(networkId: Uuid, signal: AbortSignal): Promise<readonly AuditedEntry[]> {
    const texts = await this.#redis.run((client) => client.hgetall(tableKeys(networkId).entries), signal);
    return Object.entries(texts).map(([portId, text]) => ({
      portId: portId as Uuid,
      portRevision: Number.parseInt(text, 10),
    }));
  }

  async mend(networkId: Uuid, signal: AbortSignal): Promise<boolean> {
    const keys = tableKeys(networkId);
    const [revision, digest, hostTexts, entryTexts] = await atOnce(
      this.#redis,
      (batch) => batch.hget(keys.state, 'r').hget(keys.state, 'd').hgetall(keys.hosts).hgetall(keys.entries),
      signal,
    );
    const have = new Map(pairs(hostTexts));
    if (addsUp(revision, digest, have, pairs(entryTexts))) return false;
    const stored = new Map([...have].map(([id, text]) => [id, parseHost(id, text)]));
    // An entry whose host is lost has no VTEP any more; without it, the port is set again like a new one.
    const [placed, orphans] = parted(pairs(entryTexts), ([, text]) => stored.has(hostIn(text)));
    const entries = placed.map(([portId, text]) => parseEntry(portId, text, stored).entry);
    const right = rightHosts(stored, entries);
    const total = formatDigest(digestOf(entries));
    const args = [
      ...[keys.state, keys.hosts, keys.entries, keys.changes],
      ...[typeof revision === 'string' ? revision : '0', total, right.size.toString()],
      ...[...right].flat(),
      ...orphans.map(([portId]) => portId),
    ];
    const mended = await this.#redis.run((client) => withScripts(client).l2popMend(...args), signal);
    return mended === 1;
  }
}

const parted = <T>(items: readonly T[], first: (item: T) => boolean): readonly [readonly T[], readonly T[]] => [
  items.filter(first),
  items.filter((item) => !first(item)),
];

const hostIn = (entryText: string): string => entryText.split(' ', 4)[3] ?? '';

/** The hosts hash as it follows from the entries. */
const rightHosts = (
  stored: ReadonlyMap<string, StoredHost>,
  entries: readonly ForwardingEntry[],
): ReadonlyMap<string, string> =>
  new Map(
    [...Map.groupBy(entries, (entry) => entry.vtep.hostId)].flatMap(([id, own]) => {
      const host = stored.get(id);
      if (host === undefined) return [];
      const rows = digestOfRows([...own.flatMap(entryRows), floodRow(host.vtep.address)]);
      return [[id, hostText({ ...host, entries: own.length, digest: formatDigest(rows) })] as const];
    }),
  );

/**
 * Whether nothing is missing: of each host as many entries as it is said to have. Only then are digests worked out anew,
 * which takes long for a large table; with all keys in place they cannot be wrong.
 */
const addsUp = (
  revision: unknown,
  digest: unknown,
  hosts: ReadonlyMap<string, string>,
  entries: readonly (readonly [string, string])[],
): boolean => {
  if (entries.length > 0 && (typeof revision !== 'string' || typeof digest !== 'string')) return false;
  const counts = new Map<string, number>();
  for (const [, text] of entries) counts.set(hostIn(text), (counts.get(hostIn(text)) ?? 0) + 1);
  return counts.size === hosts.size && [...hosts].every(([id, text]) => Number.parseInt(text, 10) === counts.get(id));
};

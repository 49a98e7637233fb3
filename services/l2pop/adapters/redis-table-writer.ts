import { DomainError } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { RedisConnection } from '#platform/redis/connection.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import type { TableWriter } from '../app/ports.ts';
import type { Applied, OperationBatch, TableOperation, TableRevision } from '../domain/table.ts';
import { withScripts } from './redis-commands.ts';
import { list } from './replies.ts';
import { allKeys, NETWORKS_KEY, tableKeys } from './table-keys.ts';
import { bodyText, parseChanges, parseRevision } from './table-text.ts';

/** How many networks this process remembers to have put into the index. */
const REMEMBERED = 100_000;

/** Changes tables by APPLY_SCRIPT: one round trip per batch. */
export class RedisTableWriter implements TableWriter {
  readonly #redis: RedisConnection;
  readonly #keptRevisions: number;
  readonly #now: () => number;
  readonly #indexed = new Set<string>();

  /** `keptRevisions`: about how many of a network's changes are kept for hosts that missed them. */
  constructor(redis: RedisConnection, keptRevisions: number, now: () => number) {
    this.#redis = redis;
    this.#keptRevisions = keptRevisions;
    this.#now = now;
  }

  async apply(networkId: Uuid, batch: OperationBatch, knownMembers: number, signal: AbortSignal): Promise<Applied> {
    const args = [
      ...allKeys(tableKeys(networkId)),
      this.#now().toString(),
      this.#keptRevisions.toString(),
      batch.cause,
      batch.time.toString(),
      knownMembers.toString(),
      ...batch.operations.flatMap(operationArguments),
    ];
    const attributes = { 'db.system.name': 'redis', 'weft.operations': batch.operations.length };
    return await inSpan('redis.apply l2pop', { kind: 'client', attributes }, async () => {
      const reply = await this.#redis.run((client) => {
        // Asked in the same turn, so on the same journey.
        this.#index(networkId, (id) => withScripts(client).zadd(NETWORKS_KEY, 0, id));
        return withScripts(client).l2popApply(...args);
      }, signal);
      return toApplied(reply, batch);
    });
  }

  #index(networkId: Uuid, add: (id: Uuid) => Promise<unknown>): void {
    if (this.#indexed.has(networkId)) return;
    if (this.#indexed.size >= REMEMBERED) this.#indexed.clear();
    this.#indexed.add(networkId);
    add(networkId).catch(() => {
      this.#indexed.delete(networkId);
    });
  }
}

const operationArguments = (operation: TableOperation): readonly string[] => {
  switch (operation.kind) {
    case 'set': {
      const { entry, version, redelivered } = operation;
      const { hostId, address, udpPort } = entry.vtep;
      return [
        's',
        entry.portId,
        version.port.toString(),
        version.host.toString(),
        redelivered ? '1' : '0',
        hostId,
        address,
        udpPort.toString(),
        bodyText(entry),
      ];
    }
    case 'remove': {
      const { portId, version, redelivered } = operation;
      return ['r', portId, version.port.toString(), version.host.toString(), redelivered ? '1' : '0'];
    }
    case 'expel':
      return ['e', operation.portId, operation.portRevision.toString()];
  }
};

const toApplied = (reply: unknown, { cause, time }: OperationBatch): Applied => {
  const [base, revision, changes, membersVersion, hosts, repeated] = list(reply);
  if (typeof changes !== 'string' || !Array.isArray(repeated)) {
    throw new DomainError('internal', 'STORE_REPLY', `the apply script answered ${JSON.stringify(reply)}`);
  }
  const now = Number(revision);
  return {
    revision: now,
    ...(now > Number(base) && { made: { revision: now, cause, time, changes: parseChanges(changes) } }),
    repeated: toRevisions(repeated),
    membersVersion: Number(membersVersion),
    ...(typeof hosts === 'string' && { members: words(hosts).map((host) => host as HostId) }),
  };
};

/** From `revision, fields, revision, fields, …`. */
const toRevisions = (flat: readonly unknown[]): readonly TableRevision[] => {
  const revisions: TableRevision[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const fields: unknown = flat[at + 1];
    if (Array.isArray(fields)) revisions.push(parseRevision(Number(flat[at]), fields.map(String)));
  }
  return revisions.sort((a, b) => a.revision - b.revision);
};

const words = (text: string): readonly string[] => (text === '' ? [] : text.split(' '));

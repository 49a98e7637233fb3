import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { RedisConnection } from '#platform/redis/connection.ts';
import { counter } from '#platform/telemetry/instruments.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import { guardId } from '../app/lease-book.ts';
import type {
  LeaseBook,
  LeaseFamily,
  LeaseOutcome,
  LeasePage,
  LeaseRelease,
  LeaseRequest,
  ListedLease,
} from '../app/lease-book.ts';
import type { KeyRange, Lease } from '../domain/leasing.ts';
import { ALLOCATE_SCRIPT } from './allocate-script.ts';
import { GUARDS } from './collections.ts';
import { LeaseKeys } from './lease-keys.ts';
import { FORGET_SCRIPT, RELEASE_SCRIPT } from './release-script.ts';
import { printOf, REPLAYS, requestIdReused } from './request-print.ts';
import { allocateArguments, leaseInSpace, leaseOfHolder, releaseArguments } from './script-arguments.ts';

const REQUESTS = counter('weft_ipam_lease_requests', 'Requests for leases, by family and outcome');

interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha: string;
}

const script = (name: string, lua: string): Script => ({
  name,
  lua,
  sha: createHash('sha1').update(lua).digest('hex'),
});

const ALLOCATE = script('allocate', ALLOCATE_SCRIPT);
const RELEASE = script('release', RELEASE_SCRIPT);
const FORGET = script('forget', FORGET_SCRIPT);

/** A lease book in Redis, each step of which is one script; in the partition of the store whose records are its fences. */
export class RedisLeaseBook implements LeaseBook {
  readonly family: LeaseFamily;
  readonly #redis: Pick<RedisConnection, 'run'>;
  readonly #keys: LeaseKeys;

  constructor(redis: Pick<RedisConnection, 'run'>, partition: string, family: LeaseFamily) {
    this.#redis = redis;
    this.family = family;
    this.#keys = new LeaseKeys(partition, family);
  }

  async allocate(request: LeaseRequest, signal: AbortSignal): Promise<LeaseOutcome> {
    const known = request.dryRun ? undefined : printOf(request.request);
    const { holder, spaces, fence } = request;
    const keys = this.#keys;
    const names = [
      fence === undefined ? keys.holder(holder) : keys.record(fence.collection, fence.id),
      keys.holder(holder),
      keys.record(REPLAYS, known?.id ?? ''),
      ...spaces.flatMap(({ id }) => [
        keys.leases(id),
        keys.pool(id),
        keys.released(id),
        keys.record(GUARDS, guardId(this.family, id)),
      ]),
    ];
    const args = allocateArguments(request, known?.print ?? '');
    for (;;) {
      signal.throwIfAborted();
      const reply = await this.#run(ALLOCATE, names, args, signal);
      const outcome = toOutcome(reply, holder);
      if (outcome === 'reused') throw requestIdReused(known?.id ?? '');
      if (outcome === 'again') continue;
      REQUESTS.add(1, { family: this.family, outcome: outcome.kind });
      return outcome;
    }
  }

  async release(release: LeaseRelease, signal: AbortSignal): Promise<readonly Lease[]> {
    const known = release.dryRun ? undefined : printOf(release.request);
    const keys = this.#keys;
    for (;;) {
      signal.throwIfAborted();
      // A script names its keys beforehand, so look first where the holder has leases; the script looks again.
      const spaces = await this.#spacesOf(release.holder, signal);
      const names = [
        keys.holder(release.holder),
        keys.record(REPLAYS, known?.id ?? ''),
        ...spaces.flatMap((id) => [keys.leases(id), keys.pool(id), keys.released(id)]),
      ];
      const args = releaseArguments(release, spaces, known?.print ?? '');
      const [kind, text] = await this.#run(RELEASE, names, args, signal);
      if (kind === 'reused') throw requestIdReused(known?.id ?? '');
      if (kind === 'released') return toLeases(text, release.holder);
      if (kind !== 'stale') throw unreadable(kind);
    }
  }

  async leasesOf(space: string, page: LeasePage, signal: AbortSignal): Promise<readonly ListedLease[]> {
    const members = await this.#page(this.#keys.leases(space), page, signal);
    return members.map((member) => ({ lease: leaseInSpace(space, member), place: member }));
  }

  async leasesBy(holder: string, page: LeasePage, signal: AbortSignal): Promise<readonly ListedLease[]> {
    const members = await this.#page(this.#keys.holder(holder), page, signal);
    return members.map((member) => ({ lease: leaseOfHolder(holder, member), place: member }));
  }

  async count(space: string, range: KeyRange | undefined, signal: AbortSignal): Promise<number> {
    const key = this.#keys.leases(space);
    return await this.#redis.run(
      (client) =>
        // `0` comes after `/`, so this is past every member of the last key.
        range === undefined ? client.zcard(key) : client.zlexcount(key, `[${range.first}/`, `(${range.last}0`),
      signal,
    );
  }

  async forget(space: string, signal: AbortSignal): Promise<void> {
    const keys = this.#keys;
    await this.#run(FORGET, [keys.leases(space), keys.pool(space), keys.released(space)], '', signal);
  }

  async #spacesOf(holder: string, signal: AbortSignal): Promise<readonly string[]> {
    const members = await this.#redis.run((client) => client.zrange(this.#keys.holder(holder), 0, '-1'), signal);
    return [...new Set(members.map((member) => leaseOfHolder(holder, member).space))];
  }

  async #page(key: string, { after, limit }: LeasePage, signal: AbortSignal): Promise<readonly string[]> {
    const from = after === undefined ? '-' : `(${after}`;
    return await this.#redis.run((client) => client.zrange(key, from, '+', 'BYLEX', 'LIMIT', 0, limit), signal);
  }

  async #run(
    { name, lua, sha }: Script,
    keys: readonly string[],
    args: string,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const reply = await inSpan(`redis.${name} ${this.family}`, { kind: 'client' }, () =>
      this.#redis.run((client) => evaluate(client, sha, lua, keys, args), signal),
    );
    if (!Array.isArray(reply)) throw unreadable(reply);
    return reply as readonly unknown[];
  }
}

// A server that has restarted, or a replica that took over, has no scripts until it is told them.
const evaluate = async (
  client: Redis,
  sha: string,
  lua: string,
  keys: readonly string[],
  args: string,
): Promise<unknown> => {
  try {
    return await client.evalsha(sha, keys.length, ...keys, args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return await client.eval(lua, keys.length, ...keys, args);
  }
};

const toOutcome = ([kind, detail]: readonly unknown[], holder: string): LeaseOutcome | 'again' | 'reused' => {
  switch (kind) {
    case 'held':
      return { kind, leases: toLeases(detail, holder) };
    case 'full':
    case 'taken':
      return { kind, want: Number(detail) - 1 };
    case 'occupied':
      return { kind, lease: leaseOfHolder(holder, String(detail)) };
    case 'stale':
      return { kind };
    case 'again':
    case 'reused':
      return kind;
    default:
      throw unreadable(kind);
  }
};

const toLeases = (lines: unknown, holder: string): readonly Lease[] =>
  typeof lines !== 'string' || lines === '' ? [] : lines.split('\n').map((line) => leaseOfHolder(holder, line));

const unreadable = (reply: unknown): DomainError =>
  new DomainError('internal', 'STORE_REPLY', `a lease script answered ${JSON.stringify(reply)}`);

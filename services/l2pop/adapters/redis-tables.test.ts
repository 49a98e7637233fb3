import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { digestOf, formatDigest } from '#platform/net/forwarding-digest.ts';
import type { Uuid } from '#platform/net/names.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { type RealServer, startRedis, temporaryDirectory } from '../../../test/support/real-servers.ts';
import type { OperationBatch, TableOperation } from '../domain/table.ts';
import { arbitraryBatch, entryOf, hostOf, networkOf, portOf, vtepOf } from '../testing/arbitraries.ts';
import { MemoryTable } from '../testing/memory-table.ts';
import { RedisHostProgress } from './redis-host-progress.ts';
import { RedisNetworkIndex } from './redis-network-index.ts';
import { RedisTableAudit } from './redis-table-audit.ts';
import { RedisTableReader } from './redis-table-reader.ts';
import { RedisTableWriter } from './redis-table-writer.ts';
import { tableKeys } from './table-keys.ts';

const { signal } = new AbortController();
const stack = new AsyncDisposableStack();
let redis: RedisConnection;
let server: RealServer;
let now = 1_700_000_000_000;
let writer: RedisTableWriter;
let reader: RedisTableReader;
let index: RedisNetworkIndex;
let audit: RedisTableAudit;
let progress: RedisHostProgress;
let networks = 0;

beforeAll(async () => {
  const dir = stack.use(await temporaryDirectory());
  server = stack.use(await startRedis(dir.path, { fsync: 'no' }));
  redis = new RedisConnection({ url: server.url }, nullLog);
  await redis.start(signal);
  stack.defer(() => redis.stop());
  writer = new RedisTableWriter(redis, 10_000, () => now);
  reader = new RedisTableReader(redis);
  index = new RedisNetworkIndex(redis);
  audit = new RedisTableAudit(redis);
  progress = new RedisHostProgress(redis);
});

afterAll(() => stack.disposeAsync());

const fresh = (): Uuid => networkOf((networks += 1));

const set = (n: number, host: number, port: number, known = 1, move = 0, redelivered = false): TableOperation => ({
  kind: 'set',
  version: { port, host: known },
  entry: entryOf(n, vtepOf(host, move), port),
  redelivered,
});

const gone = (n: number, port: number, redelivered = false): TableOperation => ({
  kind: 'remove',
  version: { port, host: 0 },
  portId: portOf(n),
  redelivered,
});

const batch = (...operations: readonly TableOperation[]): OperationBatch => ({ operations, cause: 'test', time: 17 });

const apply = (network: Uuid, ...operations: readonly TableOperation[]) =>
  writer.apply(network, batch(...operations), 0, signal);

const storedDigests = async (network: Uuid) => {
  const { state, hosts } = tableKeys(network);
  return await redis.run(async (client) => {
    const texts = await client.hgetall(hosts);
    return {
      total: (await client.hget(state, 'd')) ?? formatDigest(0n),
      hosts: Object.fromEntries(Object.entries(texts).map(([id, text]) => [id, text.split(' ').at(-1)])),
    };
  }, signal);
};

const byPort = <T extends { readonly portId: string }>(entries: readonly T[]): readonly T[] =>
  entries.toSorted((a, b) => (a.portId < b.portId ? -1 : 1));

describe('a table in redis', () => {
  test('does what the model does, over any schedule of operations, digests included', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryBatch, { minLength: 1, maxLength: 12 }), async (batches) => {
        const network = fresh();
        const model = new MemoryTable();
        let known = 0;
        for (const one of batches) {
          const did = await writer.apply(network, one, known, signal);
          const { members, ...expected } = model.apply(one, known);
          const { members: hosts, ...rest } = did;
          expect(rest).toEqual(expected);
          expect(hosts?.toSorted()).toEqual(members);
          known = did.membersVersion;
        }
        const { entries, revision } = await reader.snapshot(network, signal);
        expect(revision).toBe(model.revision);
        expect(byPort(entries)).toEqual(byPort(model.entries));
        const digests = await storedDigests(network);
        expect(digests.total).toBe(formatDigest(digestOf(model.entries)));
        for (const host of model.members) {
          expect(BigInt(`0x${digests.total}`) ^ BigInt(`0x${digests.hosts[host] ?? ''}`)).toBe(
            digestOf(model.entries, host),
          );
        }
        expect(Object.keys(digests.hosts).sort()).toEqual(model.members);
        const since = await reader.changesSince(network, 0, 1_000, signal);
        expect(since).toEqual({ expired: false, revision, changes: model.history });
        expect(await audit.mend(network, signal)).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  test('gives one revision to a batch, and none to one that changes nothing', async () => {
    const network = fresh();
    const first = await apply(network, set(0, 0, 1), set(1, 1, 1));
    expect(first.revision).toBe(1);
    expect(first.made?.changes).toHaveLength(2);
    expect(first.made).toMatchObject({ cause: 'test', time: 17 });
    expect(first.members?.toSorted()).toEqual([hostOf(0), hostOf(1)]);
    const again = await writer.apply(network, batch(set(0, 0, 1), set(1, 1, 1)), first.membersVersion, signal);
    expect(again).toEqual({ revision: 1, repeated: [], membersVersion: 1 });
  });

  test('names the former place of a port that moved', async () => {
    const network = fresh();
    await apply(network, set(0, 0, 1));
    const moved = await apply(network, set(0, 1, 2));
    expect(moved.made?.changes).toEqual([
      { kind: 'set', entry: entryOf(0, vtepOf(1), 2), previous: entryOf(0, vtepOf(0), 1) },
    ]);
  });

  test('does not bring back a removed port by a late event, until its tombstone ends', async () => {
    const network = fresh();
    await apply(network, set(0, 0, 3));
    await apply(network, gone(0, 4));
    expect((await apply(network, set(0, 0, 3))).made).toBeUndefined();
    now += 3_600_001;
    await apply(network, gone(1, 1));
    expect((await apply(network, set(0, 0, 3))).made).toBeDefined();
  });

  test('repeats what a redelivered event had led to', async () => {
    const network = fresh();
    const { made } = await apply(network, set(0, 0, 1));
    await apply(network, set(1, 0, 1));
    expect((await apply(network, set(0, 0, 1, 1, 0, true))).repeated).toEqual([made]);
    const removed = await apply(network, gone(0, 2));
    expect((await apply(network, gone(0, 2, true))).repeated).toEqual([removed.made]);
  });

  test('moves all entries of a host whose VTEP moves, and keeps them there against older words', async () => {
    const network = fresh();
    await apply(network, set(0, 0, 1), set(2, 0, 1), set(1, 1, 1));
    const moved = await apply(network, set(0, 0, 1, 2, 5));
    expect(moved.made?.changes).toEqual([
      { kind: 'set', entry: entryOf(0, vtepOf(0, 5), 1), previous: entryOf(0, vtepOf(0), 1) },
      { kind: 'set', entry: entryOf(2, vtepOf(0, 5), 1), previous: entryOf(2, vtepOf(0), 1) },
    ]);
    const late = await apply(network, set(3, 0, 1, 1, 0));
    expect(late.made?.changes).toEqual([{ kind: 'set', entry: entryOf(3, vtepOf(0, 5), 1) }]);
  });

  test('is paged in port id order', async () => {
    const network = fresh();
    await apply(network, ...[4, 2, 0, 3, 1].map((n) => set(n, n % 2, 1)));
    const first = await reader.page(network, undefined, 2, signal);
    expect(first.entries.map((entry) => entry.portId)).toEqual([portOf(0), portOf(1)]);
    const second = await reader.page(network, first.next, 3, signal);
    expect(second.entries.map((entry) => entry.portId)).toEqual([portOf(2), portOf(3), portOf(4)]);
    expect(second.next).toBeUndefined();
    expect(await reader.page(fresh(), undefined, 3, signal)).toEqual({ revision: 0, entries: [] });
  });

  test('tells changes that are no longer kept from none', async () => {
    const network = fresh();
    const few = new RedisTableWriter(redis, 100, () => now);
    for (let n = 0; n < 300; n += 1) await few.apply(network, batch(set(0, n % 2, n + 1)), 0, signal);
    expect(await reader.changesSince(network, 0, 10, signal)).toEqual({ expired: true, revision: 300 });
    expect(await reader.changesSince(network, 300, 10, signal)).toEqual({ expired: false, revision: 300, changes: [] });
    expect(await reader.changesSince(network, 301, 10, signal)).toEqual({ expired: true, revision: 300 });
    const some = await reader.changesSince(network, 290, 4, signal);
    expect(some).toMatchObject({ expired: false, changes: [291, 292, 293, 294].map((revision) => ({ revision })) });
  });
});

describe('hosts', () => {
  const report = async (network: Uuid, host: number, revision: number, digest = '', digestRevision = 0) => {
    const [verdict] = await progress.report(
      hostOf(host),
      [{ networkId: network, revision, digest, digestRevision, driftRepaired: 3 }],
      now,
      signal,
    );
    return verdict;
  };
  const recordOf = async (network: Uuid, host: number) => {
    const [state] = await reader.states([network], signal);
    return state?.members.find(({ vtep }) => vtep.hostId === hostOf(host))?.record;
  };

  test('are noted by acknowledgements that never go back, as long as they have entries', async () => {
    const network = fresh();
    await apply(network, set(0, 0, 1));
    const ack = (host: number, revision: number) => ({ networkId: network, hostId: hostOf(host), revision });
    await apply(network, set(1, 0, 1));
    await progress.acknowledge([ack(0, 2), ack(0, 1), ack(9, 2)], now, signal);
    expect((await recordOf(network, 0))?.ackedRevision).toBe(2);
    expect(await recordOf(network, 9)).toBeUndefined();
    await apply(network, gone(0, 2), gone(1, 2));
    await apply(network, set(0, 0, 3));
    expect(await recordOf(network, 0)).toBeUndefined();
  });

  test('are not believed to hold what the table never had', async () => {
    const network = fresh();
    await apply(network, set(0, 0, 1));
    await progress.acknowledge([{ networkId: network, hostId: hostOf(0), revision: 1 }], now, signal);
    await progress.acknowledge([{ networkId: network, hostId: hostOf(0), revision: 2 }], now, signal);
    expect((await recordOf(network, 0))?.ackedRevision).toBe(1);
  });

  test('are told the digest that is right now, and judged by the one that was right when they read back', async () => {
    const network = fresh();
    const model = new MemoryTable();
    const rightAt: string[] = [];
    const operations = [set(0, 0, 1), set(1, 1, 1), set(2, 2, 1), set(1, 2, 2), gone(2, 3), set(3, 0, 1), set(0, 1, 4)];
    for (const operation of operations) {
      await apply(network, operation);
      model.apply(batch(operation), 0);
      rightAt.push(formatDigest(digestOf(model.entries, hostOf(1))));
    }
    for (let revision = 1; revision <= 7; revision += 1) {
      const right = rightAt[revision - 1] ?? '';
      expect((await report(network, 1, 7, right, revision))?.expectedDigest).toBe(rightAt[6]);
      expect(await recordOf(network, 1)).toEqual({
        ackedRevision: 7,
        digest: right,
        digestRevision: revision,
        expectedDigest: right,
        time: now,
        driftRepaired: 3 * revision,
      });
    }
    await report(network, 1, 7);
    expect(await recordOf(network, 1)).toMatchObject({ digestRevision: 7, digest: rightAt[6] });
  });

  test('that hold more than the table lift it above what they hold, without a past', async () => {
    const network = fresh();
    await apply(network, set(0, 0, 1));
    expect(await report(network, 0, 41)).toMatchObject({ revision: 42, lifted: true });
    expect(await reader.changesSince(network, 41, 10, signal)).toEqual({ expired: true, revision: 42 });
    expect((await apply(network, set(1, 0, 1))).made?.revision).toBe(43);
    expect(await reader.changesSince(network, 42, 10, signal)).toMatchObject({ changes: [{ revision: 43 }] });
    expect(await report(fresh(), 0, 41)).toBeUndefined();
  });
});

describe('networks', () => {
  test('are known from their first port or by name, in order, until they are retired', async () => {
    const [one, two, three] = [fresh(), fresh(), fresh()];
    await apply(three, set(0, 0, 1));
    await index.add([{ id: one, revision: 1 }], signal);
    await index.add([{ id: two, revision: 1 }], signal);
    expect(await index.list(one, 10, signal)).toEqual([two, three]);
    expect(await index.list(one, 1, signal)).toEqual([two]);
    expect(await index.retire(two, 2, signal)).toBe(0);
    expect(await index.has(two, signal)).toBe(false);
    expect(await index.has(one, signal)).toBe(true);
  });

  test('that are deleted let ports leave and none enter, and end by themselves; a newer life opens them again', async () => {
    const network = fresh();
    const ttl = () => redis.run((client) => client.pttl(tableKeys(network).state), signal);
    await apply(network, set(0, 0, 1));
    expect(await index.retire(network, 5, signal)).toBe(1);
    expect(await ttl()).toBe(-1);
    expect((await apply(network, set(1, 0, 1))).made).toBeUndefined();
    expect((await apply(network, gone(0, 2))).made).toBeDefined();
    expect(await ttl()).toBeGreaterThan(3_500_000);
    await index.add([{ id: network, revision: 5 }], signal);
    expect((await apply(network, set(1, 0, 1))).made).toBeUndefined();
    await index.add([{ id: network, revision: 6 }], signal);
    expect((await apply(network, set(1, 0, 1))).made?.revision).toBe(3);
    expect(await ttl()).toBe(-1);
  });
});

describe('a mended table', () => {
  test.each(['hosts', 'state', 'entries'] as const)(
    'follows from its entries again after its %s were lost',
    async (lost) => {
      const network = fresh();
      const operations = [set(0, 0, 1), set(1, 1, 1), set(2, 1, 1)];
      await apply(network, ...operations);
      await redis.run((client) => client.del(tableKeys(network)[lost]), signal);
      await audit.mend(network, signal);
      expect(await audit.mend(network, signal)).toBe(false);
      await apply(network, ...operations);
      const { entries, revision } = await reader.snapshot(network, signal);
      expect(byPort(entries)).toEqual([0, 1, 2].map((n) => entryOf(n, vtepOf(Math.min(n, 1)), 1)));
      expect((await storedDigests(network)).total).toBe(formatDigest(digestOf(entries)));
      expect(await audit.mend(network, signal)).toBe(false);
      expect(revision).toBe(lost === 'state' ? 1 : 2);
    },
  );
});

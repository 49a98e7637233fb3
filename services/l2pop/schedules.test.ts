import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import type { Uuid } from '#platform/net/names.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { startRedis, temporaryDirectory } from '../../test/support/real-servers.ts';
import { RedisNetworkIndex } from './adapters/redis-network-index.ts';
import { RedisTableAudit } from './adapters/redis-table-audit.ts';
import { RedisTableReader } from './adapters/redis-table-reader.ts';
import { RedisTableWriter } from './adapters/redis-table-writer.ts';
import { HostDirectory } from './app/host-directory.ts';
import { NetworkDirectory } from './app/network-directory.ts';
import { NetworkTypes } from './app/network-types.ts';
import { Placer } from './app/placer.ts';
import { Reconciliation } from './app/reconciliation.ts';
import { TableQueues } from './app/table-queues.ts';
import { type TopologyChange, TopologyEvents } from './app/topology-events.ts';
import type { ForwardingEntry } from './domain/entry.ts';
import type { TableRevision } from './domain/table.ts';
import { networkOf } from './testing/arbitraries.ts';
import { FakeTopology } from './testing/fake-topology.ts';

const { signal } = new AbortController();
const stack = new AsyncDisposableStack();
let redis: RedisConnection;

beforeAll(async () => {
  const dir = stack.use(await temporaryDirectory());
  const server = stack.use(await startRedis(dir.path, { fsync: 'no' }));
  redis = new RedisConnection({ url: server.url }, nullLog);
  await redis.start(signal);
  stack.defer(() => redis.stop());
});

afterAll(() => stack.disposeAsync());

/** What hosts are told, put together by revision as they would. */
class Hearer {
  readonly #told = new Map<Uuid, Map<number, TableRevision>>();

  publish(networkId: Uuid, revision: TableRevision): void {
    const told = this.#told.get(networkId) ?? new Map<number, TableRevision>();
    const before = told.get(revision.revision);
    if (before !== undefined) expect(revision).toEqual(before);
    this.#told.set(networkId, told.set(revision.revision, revision));
  }

  table(networkId: Uuid): readonly ForwardingEntry[] {
    const entries = new Map<string, ForwardingEntry>();
    const told = this.#told.get(networkId) ?? new Map<number, TableRevision>();
    for (let revision = 1; revision <= told.size; revision += 1) {
      for (const { kind, entry } of told.get(revision)?.changes ?? []) {
        if (kind === 'set') entries.set(entry.portId, entry);
        else entries.delete(entry.portId);
      }
    }
    return byPort([...entries.values()]);
  }
}

const byPort = (entries: readonly ForwardingEntry[]): readonly ForwardingEntry[] =>
  entries.toSorted((a, b) => (a.portId < b.portId ? -1 : 1));

/** One of several equal processes over one Redis. */
const replica = (topology: FakeTopology, hearer: Hearer, withdrawDead: boolean) => {
  const index = new RedisNetworkIndex(redis);
  const audit = new RedisTableAudit(redis);
  const writer = new RedisTableWriter(redis, 10_000, Date.now);
  const tables = new TableQueues(writer, hearer, { knownMembers: () => 0, made: () => undefined });
  const directories = { hosts: new HostDirectory(), networks: new NetworkDirectory() };
  const placer = new Placer(directories, topology, { withdrawDead }, nullLog);
  const types = new NetworkTypes({ directory: directories.networks, topology }, audit, tables, nullLog);
  const events = new TopologyEvents(placer, tables, topology, { index, types });
  const reconciliation = new Reconciliation({ topology, placer, tables, index, audit, types, log: nullLog });
  return { events, reconciliation, directories, settle: () => types.idle() };
};

type Action = (topology: FakeTopology) => TopologyChange | undefined;

const port = fc.nat({ max: 5 });
const host = fc.nat({ max: 2 });
const network = fc.nat({ max: 1 });

const arbitraryAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(port, network, fc.option(host, { nil: undefined, freq: 4 }), fc.boolean()).map(
      ([n, of, at, up]): Action =>
        (topology) =>
          topology.putPort(n, of, at, up || n % 2 === 0),
    ),
  },
  {
    weight: 3,
    arbitrary: port.map(
      (n): Action =>
        (topology) =>
          topology.deletePort(n),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(host, fc.nat({ max: 3 }), fc.boolean()).map(
      ([n, move, down]): Action =>
        (topology) =>
          topology.putHost(n, move, down),
    ),
  },
  {
    weight: 1,
    arbitrary: network.map(
      (n): Action =>
        (topology) =>
          topology.putNetwork(n, n !== 1),
    ),
  },
);

/** What becomes of an event: who handles it, how often, how late, and who hears of it besides. */
const arbitraryFate = fc.record({
  first: fc.nat({ max: 1 }),
  copies: fc.constantFrom(1, 1, 1, 2, 3),
  late: fc.nat({ max: 20 }),
  heardBy: fc.subarray([0, 1]),
  dropped: fc.constantFrom(false, false, false, true),
});

const schedule = fc.array(fc.tuple(arbitraryAction, arbitraryFate), { minLength: 1, maxLength: 40 });

type Schedule = readonly (readonly [
  Action,
  {
    readonly first: number;
    readonly copies: number;
    readonly late: number;
    readonly heardBy: readonly number[];
    readonly dropped: boolean;
  },
])[];

const play = async (steps: Schedule, options: { readonly lossy: boolean; readonly withdrawDead: boolean }) => {
  await redis.run((client) => client.flushall(), signal);
  const topology = new FakeTopology(options.withdrawDead);
  topology.putNetwork(0);
  topology.putNetwork(1, false);
  const hearer = new Hearer();
  const replicas = [0, 1].map(() => replica(topology, hearer, options.withdrawDead));
  const due = steps.flatMap(([act, fate], at) => {
    const change = act(topology);
    if (change === undefined || (options.lossy && fate.dropped)) return [];
    return Array.from({ length: fate.copies }, (_, copy) => ({ change, fate, copy, at: at + fate.late * (copy + 1) }));
  });
  due.sort((a, b) => a.at - b.at);
  // Four at a time, as a consumer would.
  for (let at = 0; at < due.length; at += 4) {
    await Promise.all(
      due.slice(at, at + 4).map(async ({ change, fate, copy }) => {
        for (const one of fate.heardBy) if (change.kind === 'host') replicas[one]?.directories.hosts.learn(change.host);
        const cause = { name: 'Test', time: 0, trace: {} };
        await replicas[(fate.first + copy) % 2]?.events.handle({ change, cause, redelivered: copy > 0 }, signal);
      }),
    );
  }
  await Promise.all(replicas.map(({ settle }) => settle()));
  if (options.lossy) await replicas[0]?.reconciliation.run(signal);
  const reader = new RedisTableReader(redis);
  const audit = new RedisTableAudit(redis);
  for (const networkId of [networkOf(0), networkOf(1)]) {
    const { entries, revision } = await reader.snapshot(networkId, signal);
    expect(byPort(entries)).toEqual(topology.table(networkId));
    expect(hearer.table(networkId)).toEqual(topology.table(networkId));
    expect(await reader.changesSince(networkId, revision, 1, signal)).toMatchObject({ expired: false });
    expect(await audit.mend(networkId, signal)).toBe(false);
  }
};

describe('over any schedule of events, two replicas', () => {
  test('bring tables and hosts to where topology is, though events come twice, late and in any order', async () => {
    const overlaysOnly = schedule.map((steps) => steps.filter(([, fate]) => !fate.dropped));
    await fc.assert(
      fc.asyncProperty(overlaysOnly, fc.boolean(), (steps, withdrawDead) =>
        play(steps, { lossy: false, withdrawDead }),
      ),
      { numRuns: 150 },
    );
  });

  test('bring them there by reconciliation, where events were lost as well', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, fc.boolean(), (steps, withdrawDead) => play(steps, { lossy: true, withdrawDead })),
      { numRuns: 150 },
    );
  });
});

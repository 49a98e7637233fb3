import fc from 'fast-check';
import { expect, test } from 'vitest';
import { atOnce } from '#platform/testing/at-once.ts';
import type { NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import type { Rows } from '../../model/rows.ts';
import { withoutRemovals } from '../../plan/removals.ts';
import { wantedRows } from '../../plan/wanted-rows.ts';
import { arbitraryWorld, changeOf, DEVICES, HOST, intentOf, NETWORK } from '../../testing/worlds.ts';
import type { World } from '../../testing/worlds.ts';
import { planNetworkRemoval } from './plan.ts';
import { floodTargets, rowsOf } from './rows.ts';
import { allDone } from './testing/fake-switch.ts';
import type { FakeSwitch } from './testing/fake-switch.ts';
import { bring, flowsOf, planChangeOf, planOf, SITE, switchWithTaps } from './testing/one-network.ts';

const sorted = (map: ReadonlyMap<string, unknown>): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const plain = ({ fdb, bridgeFdb, neighbours, flood }: Rows): unknown => [fdb, bridgeFdb, neighbours, flood].map(sorted);

const expectRight = async (fake: FakeSwitch, intent: NetworkIntent): Promise<void> => {
  const { rows, ports } = await fake.observe(NETWORK, []);
  expect(plain(rows)).toEqual(plain(wantedRows(HOST, intent, undefined)));
  for (const { device } of intent.ports.values()) expect(ports.get(device)?.ofport).toBeGreaterThan(0);
  expect(await planOf(fake, intent)).toEqual([]);
};

const claimants = (world: World, address: string): readonly string[] =>
  [...world.ports].flatMap(([portId, { entry, local }]) =>
    [entry, local].some((each) => each !== undefined && (each.mac === address || each.ips.some((ip) => ip === address)))
      ? [portId]
      : [],
  );

/** The steps from one world to another, by a look at everything or for the change alone. */
const stepsBetween = async (fake: FakeSwitch, from: World, to: World, looks: boolean): Promise<readonly Operation[]> =>
  looks ? await planOf(fake, intentOf(to)) : planChangeOf(fake, intentOf(to), changeOf(from, to));

test('takes any switch to any state in one round, and then has nothing left to do', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, async (have, want) => {
      const fake = await switchWithTaps();
      for (const world of [have, want]) {
        await bring(fake, intentOf(world));
        await expectRight(fake, intentOf(world));
      }
    }),
    { numRuns: 200 },
  );
});

test('a change from a known state leads to the very flows that a look at everything leads to', async () => {
  const worlds = fc.array(arbitraryWorld, { minLength: 2, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(worlds, fc.boolean(), async ([first, ...later], indexed) => {
      if (first === undefined) return;
      const fake = await switchWithTaps();
      const other = await switchWithTaps();
      await bring(fake, intentOf(first));
      let current = first;
      for (const world of later) {
        const intent: NetworkIntent = indexed
          ? { ...intentOf(world), claimants: (address) => claimants(world, address) }
          : intentOf(world);
        allDone(await fake.apply(planChangeOf(fake, intent, changeOf(current, world))));
        await expectRight(fake, intent);
        await bring(other, intent);
        expect(await flowsOf(fake)).toEqual(await flowsOf(other));
        current = world;
      }
    }),
    { numRuns: 200 },
  );
});

test('an address wanted before and after a change is in the flows at every moment between', async () => {
  const reachable = ({ fdb, bridgeFdb }: Rows): ReadonlySet<string> => new Set([...fdb.keys(), ...bridgeFdb.keys()]);
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, fc.boolean(), async (from, to, looks) => {
      const fake = await switchWithTaps();
      await bring(fake, intentOf(from));
      const before = wantedRows(HOST, intentOf(from), undefined);
      const after = wantedRows(HOST, intentOf(to), undefined);
      const macs = [...reachable(before)].filter((mac) => reachable(after).has(mac));
      const ips = [...before.neighbours.keys()].filter((ip) => after.neighbours.has(ip));
      const vteps = [...before.flood.keys()].filter((vtep) => after.flood.has(vtep));
      for (const step of await stepsBetween(fake, from, to, looks)) {
        await fake.apply([step]);
        const now = atOnce(rowsOf(fake.flows));
        for (const mac of macs) expect(reachable(now)).toContain(mac);
        for (const ip of ips) expect(now.neighbours.has(ip)).toBe(true);
        for (const vtep of vteps) expect(now.flood.has(vtep)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

test('adds before it deletes, and floods only what it can also send directly', async () => {
  const rank = (kind: string): number => (kind.startsWith('delete-') ? 3 : kind === 'set-flood' ? 2 : 1);
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, fc.boolean(), async (from, to, looks) => {
      const fake = await switchWithTaps();
      await bring(fake, intentOf(from));
      const order = (await stepsBetween(fake, from, to, looks)).map(({ kind }) => rank(kind));
      expect(order).toEqual([...order].sort());
    }),
    { numRuns: 200 },
  );
});

test('ports come and go by one transaction each, however many they are', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, fc.boolean(), async (from, to, looks) => {
      const fake = await switchWithTaps();
      await bring(fake, intentOf(from));
      const steps = await stepsBetween(fake, from, to, looks);
      fake.transactions = 0;
      await fake.apply(steps);
      expect(fake.transactions).toBeLessThanOrEqual(2);
    }),
    { numRuns: 200 },
  );
});

test('without the steps that say so nothing is taken away: no flow, no port, no copy', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, arbitraryWorld, async (from, to) => {
      const fake = await switchWithTaps();
      await bring(fake, intentOf(from));
      const before = await fake.observe(NETWORK, []);
      const keys = [...(await flowsOf(fake)).keys()];
      allDone(await fake.apply(withoutRemovals(await planOf(fake, intentOf(to)))));
      const after = await fake.observe(NETWORK, []);
      expect([...(await flowsOf(fake)).keys()]).toEqual(expect.arrayContaining(keys));
      expect([...after.ports.keys()]).toEqual(expect.arrayContaining([...before.ports.keys()]));
      const [had, has] = [floodTargets(before.flows), floodTargets(after.flows)];
      expect(has.devices).toEqual(expect.arrayContaining([...had.devices]));
      for (const { address } of had.destinations) expect(has.destinations.map((to_) => to_.address)).toContain(address);
    }),
    { numRuns: 200 },
  );
});

type Hand = 'delete' | 'change' | 'add' | 'unplug' | 'unmark' | 'remake' | 'restart';

/** What somebody may do to a switch. */
const meddle = async (fake: FakeSwitch, at: number, hand: Hand): Promise<void> => {
  const { flows, ports } = await fake.observe(NETWORK, []);
  const ours = [...ports.values()].filter(({ networkOf }) => networkOf !== undefined).map(({ device }) => device);
  const removal = planNetworkRemoval(SITE.bridge, { ...NETWORK, devices: [], ports: ours.slice(at % 5, (at % 5) + 1) });
  if (hand === 'unplug') await fake.apply(removal.filter(({ kind }) => kind === 'delete-port'));
  if (hand === 'unmark') await fake.apply(removal.filter(({ kind }) => kind === 'delete-network-mark'));
  if (hand === 'restart') fake.restartAgent();
  if (hand === 'remake') {
    const device = DEVICES[at % DEVICES.length] ?? '';
    fake.removeDevice(device);
    fake.addDevice(device);
  }
  const flow = flows[at % flows.length];
  if (flow === undefined) return;
  const { actions: _, inPort, ...rest } = flow;
  const inNumber = inPort === undefined ? undefined : fake.numbers.last(inPort);
  const match = { ...rest.match, ...(inNumber !== undefined && { in_port: { value: BigInt(inNumber) } }) };
  const stray = { ...rest.match, in_port: { value: BigInt(50 + at) } };
  if (hand === 'delete')
    fake.changeFlows([{ command: 'delete_strict', flow: { ...rest, match }, cookie: rest.cookie }]);
  if (hand === 'change') fake.changeFlows([{ command: 'add', flow: { ...rest, match, actions: [] } }]);
  if (hand === 'add') {
    const actions = [{ kind: 'output', port: 60 + at }] as const;
    fake.changeFlows([{ command: 'add', flow: { ...rest, match: stray, actions } }]);
  }
};

test('whatever a hand takes away, changes or adds is put right, and nothing else is done', async () => {
  const hand = fc.constantFrom<Hand>('delete', 'change', 'add', 'unplug', 'unmark', 'remake', 'restart');
  const hands = fc.array(fc.tuple(fc.nat({ max: 40 }), hand), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, hands, async (world, picks) => {
      const fake = await switchWithTaps();
      await bring(fake, intentOf(world));
      const before = await flowsOf(fake);
      for (const [at, how] of picks) await meddle(fake, at, how);
      await bring(fake, intentOf(world));
      await expectRight(fake, intentOf(world));
      expect(await flowsOf(fake)).toEqual(before);
    }),
    { numRuns: 300 },
  );
});

test('every step says the command, why, and which network it is for', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, async (world) => {
      const fake = await switchWithTaps();
      for (const { argv, reason, networkId } of await planOf(fake, intentOf(world))) {
        expect(['ovs-vsctl', 'ovs-ofctl', 'sysctl']).toContain(argv[0]);
        expect(argv).not.toContain('');
        expect(reason).not.toBe('');
        expect(networkId).toBe(NETWORK.networkId);
      }
    }),
    { numRuns: 50 },
  );
});

test('a network that is removed leaves what others share, and nothing of its own', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryWorld, async (world) => {
      const fake = await switchWithTaps();
      const before = fake.flows;
      await bring(fake, intentOf(world));
      const { ports } = await fake.observe(NETWORK, []);
      const own = [...ports.values()].filter(({ networkOf }) => networkOf === NETWORK.networkId);
      const owned = { ...NETWORK, devices: [], ports: own.map(({ device }) => device) };
      allDone(await fake.apply(planNetworkRemoval(SITE.bridge, owned)));
      const after = await fake.observe(NETWORK, []);
      expect(fake.flows).toEqual(before);
      expect(after.mark).toBeUndefined();
      expect([...after.ports.keys()].filter((device) => device.startsWith('tap'))).toEqual([]);
      expect(after.ports.has('vxlan-udp4789')).toBe(true);
    }),
    { numRuns: 50 },
  );
});

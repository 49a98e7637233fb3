import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { devicesOf } from './devices.ts';
import { planNetwork, planNetworkChange, planNetworkRemoval } from './plan.ts';
import { FakeKernel } from './testing/fake-kernel.ts';
import { arbitraryWorld, changeOf, DEVICES, HOST, intentOf, NETWORK } from '../../testing/worlds.ts';
import type { World } from '../../testing/worlds.ts';
import { wantedRows } from '../../plan/wanted-rows.ts';

const kernelWithTaps = (): FakeKernel => {
  const kernel = new FakeKernel();
  for (const device of DEVICES) kernel.addDevice(device);
  return kernel;
};

const plan = (kernel: FakeKernel, intent: NetworkIntent): readonly Operation[] =>
  planNetwork(HOST, intent, kernel.observe(NETWORK));

const bring = (kernel: FakeKernel, intent: NetworkIntent): void => {
  const errors = kernel.apply(plan(kernel, intent)).filter(({ error }) => error !== undefined);
  expect(errors).toEqual([]);
};

const claimants = (world: World, address: string): readonly string[] =>
  [...world.ports].flatMap(([portId, { entry, local }]) =>
    [entry, local].some((each) => each !== undefined && (each.mac === address || each.ips.some((ip) => ip === address)))
      ? [portId]
      : [],
  );

const rowsOf = (kernel: FakeKernel): unknown => {
  const { rows, strayFlood } = kernel.observe(NETWORK);
  const sorted = (map: ReadonlyMap<string, unknown>): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    fdb: sorted(rows.fdb),
    bridge: sorted(rows.bridgeFdb),
    neigh: sorted(rows.neighbours),
    flood: sorted(rows.flood),
    strayFlood,
  };
};

const wantedOf = (intent: NetworkIntent): unknown => {
  const rows = wantedRows(HOST, intent, 'vxlan-70');
  const sorted = (map: ReadonlyMap<string, unknown>): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    fdb: sorted(rows.fdb),
    bridge: sorted(rows.bridgeFdb),
    neigh: sorted(rows.neighbours),
    flood: sorted(rows.flood),
    strayFlood: [],
  };
};

test('takes any host to any state in one round, and then has nothing left to do', () => {
  fc.assert(
    fc.property(arbitraryWorld, arbitraryWorld, (have, want) => {
      const kernel = kernelWithTaps();
      for (const world of [have, want]) {
        bring(kernel, intentOf(world));
        expect(rowsOf(kernel)).toEqual(wantedOf(intentOf(world)));
        expect(plan(kernel, intentOf(world))).toEqual([]);
      }
    }),
    { numRuns: 400 },
  );
});

test('a change from a known state leads where a look at everything would, with nothing left to do', () => {
  fc.assert(
    fc.property(fc.array(arbitraryWorld, { minLength: 2, maxLength: 6 }), fc.boolean(), (worlds, indexed) => {
      const kernel = kernelWithTaps();
      const [first, ...later] = worlds;
      if (first === undefined) return;
      bring(kernel, intentOf(first));
      let current = first;
      for (const world of later) {
        const intent: NetworkIntent = indexed
          ? { ...intentOf(world), claimants: (address) => claimants(world, address) }
          : intentOf(world);
        const errors = kernel
          .apply(planNetworkChange(HOST, intent, changeOf(current, world)))
          .filter(({ error }) => error);
        expect(errors).toEqual([]);
        expect(rowsOf(kernel)).toEqual(wantedOf(intent));
        expect(plan(kernel, intent)).toEqual([]);
        current = world;
      }
    }),
    { numRuns: 400 },
  );
});

/** A line for both rows of an address is two steps to the kernel, the bridge's first (rtnl_fdb_add). */
const asTheKernelDoes = (step: Operation): readonly Operation[] =>
  step.kind === 'replace-fdb' && step.argv.includes('master')
    ? [{ ...step, argv: step.argv.filter((word) => word !== 'self') }, step]
    : [step];

test('an address wanted before and after a change is in the tables at every moment between', () => {
  fc.assert(
    fc.property(arbitraryWorld, arbitraryWorld, fc.boolean(), (from, to, observed) => {
      const kernel = kernelWithTaps();
      bring(kernel, intentOf(from));
      const [before, after] = [
        wantedRows(HOST, intentOf(from), 'vxlan-70'),
        wantedRows(HOST, intentOf(to), 'vxlan-70'),
      ];
      const leaving = new Set([...from.ports.values()].flatMap(({ local }) => (local ? [local.device] : [])));
      for (const { local } of to.ports.values()) if (local) leaving.delete(local.device);
      const steps = observed ? plan(kernel, intentOf(to)) : planNetworkChange(HOST, intentOf(to), changeOf(from, to));
      for (const step of steps.flatMap(asTheKernelDoes)) {
        kernel.apply([step]);
        const now = kernel.observe(NETWORK).rows;
        for (const [mac, device] of now.bridgeFdb) {
          const isKept = before.bridgeFdb.has(mac) && after.bridgeFdb.has(mac);
          if (isKept && device === 'vxlan-70')
            expect(now.fdb.has(mac), `a way through the tunnel to ${mac}`).toBe(true);
        }
        for (const mac of before.bridgeFdb.keys())
          if (after.bridgeFdb.has(mac)) expect(now.bridgeFdb.has(mac)).toBe(true);
        for (const mac of before.fdb.keys()) if (after.fdb.has(mac)) expect(now.fdb.has(mac)).toBe(true);
        for (const ip of before.neighbours.keys())
          if (after.neighbours.has(ip)) expect(now.neighbours.has(ip)).toBe(true);
        for (const vtep of before.flood.keys()) if (after.flood.has(vtep)) expect(now.flood.has(vtep)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('adds before it deletes, and floods only what it can also send directly', () => {
  fc.assert(
    fc.property(arbitraryWorld, arbitraryWorld, (from, to) => {
      const kernel = kernelWithTaps();
      bring(kernel, intentOf(from));
      for (const steps of [plan(kernel, intentOf(to)), planNetworkChange(HOST, intentOf(to), changeOf(from, to))]) {
        const order = steps.map(({ kind }) => (kind.startsWith('delete-') ? 3 : kind === 'append-flood' ? 2 : 1));
        expect(order).toEqual([...order].sort());
      }
    }),
    { numRuns: 200 },
  );
});

test('whatever is taken away by hand is put back, and nothing else is done', () => {
  const { bridge, vxlan } = devicesOf(NETWORK);
  fc.assert(
    fc.property(
      arbitraryWorld,
      fc.array(fc.nat({ max: 30 }), { maxLength: 4 }),
      fc.constantFrom('', bridge, vxlan),
      (world, picks, device) => {
        const kernel = kernelWithTaps();
        const intent = intentOf(world);
        bring(kernel, intent);
        // The inverse of steps that would build it is what a hand may do to it.
        const rows = planNetworkRows(kernel, intent);
        for (const pick of picks) {
          const step = rows[pick];
          if (step !== undefined) kernel.apply([step]);
        }
        if (device !== '') kernel.apply(planNetworkRemoval({ networkId: NETWORK.networkId, devices: [device] }));
        bring(kernel, intent);
        expect(rowsOf(kernel)).toEqual(wantedOf(intent));
        expect(plan(kernel, intent)).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});

/** Steps that delete what is there, one by one. */
const planNetworkRows = (kernel: FakeKernel, intent: NetworkIntent): readonly Operation[] =>
  planNetwork(
    HOST,
    { ...intent, entries: new Map(), remoteVteps: new Map(), manualFlood: new Set() },
    kernel.observe(NETWORK),
  ).filter(({ kind }) => kind.startsWith('delete-'));

test('devices of others are let go when a network is removed, and never deleted', () => {
  fc.assert(
    fc.property(arbitraryWorld, (world) => {
      const kernel = kernelWithTaps();
      bring(kernel, intentOf(world));
      const { bridge, vxlan } = devicesOf(NETWORK);
      const ports = [...kernel.observe(NETWORK).links.values()].filter(
        ({ master, name }) => master === bridge && name !== vxlan,
      );
      kernel.apply(
        planNetworkRemoval({
          networkId: NETWORK.networkId,
          devices: [bridge, vxlan],
          ports: ports.map(({ name }) => name),
        }),
      );
      expect([bridge, vxlan].filter((name) => kernel.hasDevice(name))).toEqual([]);
      expect(DEVICES.filter((name) => !kernel.hasDevice(name))).toEqual([]);
      expect(plan(kernel, intentOf(world)).length).toBeGreaterThan(0);
    }),
    { numRuns: 50 },
  );
});

test('every step says the command, why, and which network it is for', () => {
  fc.assert(
    fc.property(arbitraryWorld, (world) => {
      for (const { argv, reason, networkId } of plan(kernelWithTaps(), intentOf(world))) {
        expect(['ip', 'bridge', 'nft', 'sysctl']).toContain(argv[0]);
        expect(argv[0] === 'nft' || argv.every((word) => /^\S+$/.test(word))).toBe(true);
        expect(reason).not.toBe('');
        expect(networkId).toBe(NETWORK.networkId);
        // A `permanent` row of a bridge would make the address the host's own.
        expect(argv.includes('master') && argv.includes('permanent')).toBe(false);
      }
    }),
    { numRuns: 100 },
  );
});

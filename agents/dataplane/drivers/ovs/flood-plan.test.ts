import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import type { LocalPort, NetworkChange, NetworkIntent, PortView, Vtep } from '../../model/intent.ts';
import { OWN_ADDRESSES_ONLY } from '../../model/port-security.ts';
import type { Operation } from '../../model/operation.ts';
import { NETWORK } from '../../testing/worlds.ts';
import { FLOOD_PART_SIZE, networkFlows } from './flows.ts';
import { TABLES } from './pipeline.ts';
import { floodTargets } from './rows.ts';
import { allDone } from './testing/fake-switch.ts';
import type { FakeSwitch } from './testing/fake-switch.ts';
import { sentOf } from './testing/frames.ts';
import { bring, planChangeOf, planOf, switchWithTaps } from './testing/one-network.ts';

const BROADCAST = 0xffff_ffff_ffffn;

const far = (n: number): Vtep => ({
  hostId: `far${n.toString()}`,
  address: parseUnicastIp('vtep', `198.51.${(n >> 8).toString()}.${(n & 255).toString()}`),
  udpPort: 4789,
});

const near = (n: number): LocalPort => ({
  portId: `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`,
  device: `tap${n.toString(16).padStart(8, '0')}-00`,
  mac: parseMac('mac', `fa:16:3e:00:00:${n.toString(16).padStart(2, '0')}`),
  ips: [],
  generation: 1n,
  security: { ...OWN_ADDRESSES_ONLY, enabled: false },
});

/** A network with these ports here and these other hosts. */
const wide = (ports: readonly LocalPort[], vteps: readonly Vtep[]): NetworkIntent => ({
  ...NETWORK,
  ports: new Map(ports.map((each) => [each.portId, each])),
  entries: new Map(),
  remoteVteps: new Map(vteps.map((each) => [each.address, each])),
  manualFlood: new Set(),
});

const range = <T>(count: number, each: (n: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, n) => each(n));

/** Who gets what a port here sends to all, in the order of the copies; `tunnel ADDRESS` for other hosts. */
const copies = (fake: FakeSwitch, from: string): readonly string[] =>
  sentOf(fake.flows, from, { eth_dst: BROADCAST }).map(({ device, fields }) =>
    fields.tun_dst === undefined || device.startsWith('tap') ? device : `tunnel ${fields.tun_dst.toString()}`,
  );

const numberOf = ({ address }: Vtep): string =>
  `tunnel ${address
    .split('.')
    .reduce((sum, part) => sum * 256n + BigInt(part), 0n)
    .toString()}`;

const changeBetween = (before: NetworkIntent, after: NetworkIntent): NetworkChange => {
  const ports = new Map<string, { before: PortView; after: PortView }>();
  for (const id of new Set([...before.ports.keys(), ...after.ports.keys()])) {
    const [old, now] = [before.ports.get(id), after.ports.get(id)];
    if (old !== now) ports.set(id, { before: old ? { local: old } : {}, after: now ? { local: now } : {} });
  }
  return {
    ports,
    floodAdded: [...after.remoteVteps.values()].filter(({ address }) => !before.remoteVteps.has(address)),
    floodRemoved: [...before.remoteVteps.values()].filter(({ address }) => !after.remoteVteps.has(address)),
  };
};

const SIZES = [0, 1, FLOOD_PART_SIZE - 2, FLOOD_PART_SIZE, FLOOD_PART_SIZE + 1, 2 * FLOOD_PART_SIZE, 1_300];

test('a list of any length reaches each exactly once, through as many flows as it takes', async () => {
  const ports = range(3, near);
  const fake = await switchWithTaps(ports.map(({ device }) => device));
  const [first] = ports;
  for (const size of SIZES) {
    const vteps = range(size, far);
    await bring(fake, wide(ports, vteps));
    const expected = [...ports.slice(1).map(({ device }) => device), ...vteps.map(numberOf)];
    expect([...copies(fake, first?.device ?? '')].sort()).toEqual([...expected].sort());
    const parts = fake.flows.filter(({ table, match }) => table === TABLES.flood && match.reg0?.value === 0n);
    expect(parts).toHaveLength(Math.ceil((size + ports.length) / FLOOD_PART_SIZE));
    expect(await planOf(fake, wide(ports, vteps))).toEqual([]);
  }
});

test('lists grow and shrink, by a look or by a change, and meanwhile who stays on it gets each copy once', async () => {
  const size = fc.constantFrom(...SIZES);
  const cut = fc.tuple(fc.nat({ max: 20 }), size);
  await fc.assert(
    fc.asyncProperty(cut, cut, fc.boolean(), async ([skip, count], [skipThen, countThen], looks) => {
      const ports = range(3, near);
      const fake = await switchWithTaps(ports.map(({ device }) => device));
      const from = wide(
        ports,
        range(count, (n) => far(n + skip)),
      );
      const to = wide(
        ports.slice(skipThen % 2),
        range(countThen, (n) => far(n + skipThen)),
      );
      await bring(fake, from);
      const steps: readonly Operation[] = looks
        ? await planOf(fake, to)
        : planChangeOf(fake, to, changeBetween(from, to));
      const kept = [...from.remoteVteps.values()].filter(({ address }) => to.remoteVteps.has(address)).map(numberOf);
      const sender = ports[2]?.device ?? '';
      // Flows that follow each other are changed at one instant.
      const isDeletion = ({ kind }: Operation): boolean => kind.startsWith('delete-');
      for (const together of [steps.filter((step) => !isDeletion(step)), steps.filter(isDeletion)]) {
        allDone(await fake.apply(together));
        const now = copies(fake, sender);
        expect(new Set(now).size).toBe(now.length);
        expect(now).toEqual(expect.arrayContaining(kept));
      }
      const expected = [...to.ports.values()].map(({ device }) => device).filter((device) => device !== sender);
      expect([...copies(fake, sender)].sort()).toEqual(
        [...expected, ...[...to.remoteVteps.values()].map(numberOf)].sort(),
      );
      expect(await planOf(fake, to)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

test('a flow of a list, of the longest kind, is a message that OpenFlow can carry', () => {
  const longest = networkFlows(NETWORK.vni).flood([], range(FLOOD_PART_SIZE, far));
  const [flow] = longest;
  // An action to set an IPv6 address takes 24 octets padded to 32, one to output 16; a message has at most 65,535.
  expect((flow?.actions.length ?? 0) / 2).toBeLessThanOrEqual(FLOOD_PART_SIZE + 1);
  expect(FLOOD_PART_SIZE * (32 + 16)).toBeLessThan(60_000);
});

test('what no device has is no target to be kept', () => {
  const [flow] = networkFlows(NETWORK.vni).flood(['tap1', ':9', ':normal'], []);
  expect(floodTargets(flow === undefined ? [] : [flow])).toEqual({ devices: ['tap1'], destinations: [] });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeHost } from '../testing/fake-host.ts';
import { EXAMPLE, exampleHost, recordOf } from '../testing/overlays.ts';
import { connectionsOf, pathBetween } from './connections.ts';
import { planOverlay } from './plan.ts';

/** Bridges of both kinds, and what connects two of them. */
const LINUX = ['br0', 'br1', 'br2', 'br3'];
const OVS = ['sw0', 'sw1', 'sw2', 'sw3'];
const ALL = [...LINUX, ...OVS];

const attach = (host: FakeHost, device: string, bridge: string): void => {
  const link = host.links.get(device);
  if (OVS.includes(bridge)) host.ovsPort(bridge, device);
  else if (link !== undefined) link.master = bridge;
};

interface Wire {
  readonly a: string;
  readonly b: string;
  readonly how: 'veth' | 'patch' | 'bridge in bridge' | 'vlan' | 'bond';
}

const arbitraryWire: fc.Arbitrary<Wire> = fc.record({
  a: fc.constantFrom(...ALL),
  b: fc.constantFrom(...ALL),
  how: fc.constantFrom('veth', 'patch', 'bridge in bridge', 'vlan', 'bond'),
});

/** Makes a host of the wires; those that were made. */
const build = (wires: readonly Wire[]): { readonly host: FakeHost; readonly made: readonly Wire[] } => {
  const host = new FakeHost();
  for (const name of LINUX) host.linuxBridge(name);
  for (const name of OVS) host.ovsBridge(name);
  const enslaved = new Set<string>();
  const made = wires.filter(({ a, b, how }, at) => {
    const [x, y] = [`x${at.toString()}`, `y${at.toString()}`];
    if (how === 'patch') {
      if (!OVS.includes(a) || !OVS.includes(b)) return false;
      host.ovsPort(a, x, 'patch', { peer: y });
      host.ovsPort(b, y, 'patch', { peer: x });
      return true;
    }
    if (how === 'bridge in bridge') {
      // A device has one master, and Open vSwitch takes no bridge of its own as a port.
      if (a === b || enslaved.has(a) || (OVS.includes(a) && OVS.includes(b))) return false;
      enslaved.add(a);
      attach(host, a, b);
      return true;
    }
    if (how === 'vlan') {
      if (a === b) return false;
      host.links.set(x, { name: x, kind: 'vlan', link: a, up: true, mtu: 1500, addresses: [] });
      attach(host, x, b);
      return true;
    }
    host.veth(x, y);
    attach(host, x, a);
    if (how === 'bond') {
      const bond = `bond${at.toString()}`;
      host.links.set(bond, { name: bond, kind: 'bond', up: true, mtu: 1500, addresses: [] });
      const end = host.links.get(y);
      if (end !== undefined) end.master = bond;
      attach(host, bond, b);
    } else attach(host, y, b);
    return true;
  });
  return { host, made };
};

/** Which bridges hang together, by merging sets: another way than looking for a path. */
const groupsOf = (wires: readonly Wire[]): ReadonlyMap<string, string> => {
  const group = new Map(ALL.map((name) => [name, name]));
  for (const { a, b } of wires) {
    const [from, to] = [group.get(a), group.get(b)];
    for (const [name, of] of group) if (of === from) group.set(name, to ?? '');
  }
  return group;
};

test('two bridges are found connected exactly when some chain of devices connects them', () => {
  fc.assert(
    fc.property(fc.array(arbitraryWire, { maxLength: 9 }), (wires) => {
      const { host, made } = build(wires);
      const group = groupsOf(made);
      const connections = connectionsOf(host);
      for (const a of ALL) {
        for (const b of ALL) {
          const path = pathBetween(connections, a, b);
          expect(path !== undefined, `${a} ${b}`).toBe(group.get(a) === group.get(b));
          if (path !== undefined) expect([path.split(' - ')[0], path.split(' - ').at(-1)]).toEqual([a, b]);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('links never close a loop, whatever wires there are, and all are made that close none', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryWire, { maxLength: 6 }),
      fc.shuffledSubarray(LINUX, { minLength: 1 }),
      (wires, bridges) => {
        const { host, made } = build(wires);
        for (let n = 160; n < 170; n += 1) host.route(`192.168.10.${n.toString()}`);
        const links = bridges.map((bridge_name) => ({
          bridge_name,
          device_name: '',
          peer_device_name: '',
          subnets: [],
        }));
        const { steps, problems } = planOverlay(recordOf({ ...EXAMPLE, links }, host), host, 'auto');
        host.apply(steps);
        // Merged one by one: a link between what hangs together already is the one to be refused.
        const group = new Map(groupsOf(made));
        const linked = new Set<string | undefined>();
        const refused = bridges.filter((bridge) => {
          const of = group.get(bridge);
          if (linked.has(of)) return true;
          linked.add(of);
          return false;
        });
        expect(problems.map(({ reason }) => reason)).toEqual(refused.map(() => 'LINK_CLOSES_LOOP'));
        expect(problems.map(({ details }) => details['bridge'])).toEqual(refused);
      },
    ),
    { numRuns: 300 },
  );
});

test.each<readonly [string, (host: FakeHost) => void, string]>([
  [
    'directly',
    (host) => {
      host.veth('va', 'vb');
      attach(host, 'vb', 'docker0');
      host.ovsPort('ovs_sw0', 'va');
    },
    'ovs_sw0 - va/vb - docker0',
  ],
  [
    'through another bridge of each kind',
    (host) => {
      host.ovsBridge('br-int');
      host.ovsPort('ovs_sw0', 'p1', 'patch', { peer: 'p2' });
      host.ovsPort('br-int', 'p2', 'patch', { peer: 'p1' });
      host.veth('va', 'vb');
      host.ovsPort('br-int', 'va');
      attach(host, 'vb', 'docker0');
    },
    'ovs_sw0 - p1/p2 - br-int - va/vb - docker0',
  ],
])('the error names the way by which they are connected: %s', (_, connect, path) => {
  const host = exampleHost();
  const before = recordOf({ ...EXAMPLE, links: [] }, host);
  host.apply(planOverlay(before, host, 'auto').steps);
  connect(host);
  const plan = planOverlay(recordOf(EXAMPLE, host, before), host, 'auto');
  expect(plan.steps).toEqual([]);
  expect(plan.problems[0]?.message).toBe(
    `overlay.links[0].bridge_name: ovs_sw0 and docker0 are connected already: ${path}; a second way would be a loop`,
  );
});

test('a link of its own is no loop, and stays when somebody else makes one', () => {
  const host = exampleHost();
  const record = recordOf(EXAMPLE, host);
  host.apply(planOverlay(record, host, 'auto').steps);
  expect(planOverlay(record, host, 'auto')).toMatchObject({ steps: [], problems: [] });
  host.veth('va', 'vb');
  attach(host, 'vb', 'docker0');
  host.ovsPort('ovs_sw0', 'va');
  const plan = planOverlay(record, host, 'auto');
  expect(plan.steps).toEqual([]);
  expect(plan.problems.map(({ reason }) => reason)).toEqual(['LINK_CLOSES_LOOP']);
});

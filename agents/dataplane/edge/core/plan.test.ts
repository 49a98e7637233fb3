import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MacAddress } from '#platform/net/mac-address.ts';
import { commandOf } from '../../model/operation.ts';
import type { WantedLink, WantedNamespace } from './model.ts';
import { edgeMark } from './names.ts';
import { planNamespace, planNamespaceRemoval } from './plan.ts';
import { FakeNamespace } from './testing/fake-namespace.ts';

const ID = 'c1997735-771e-463c-b64f-7724800bbb1a';
const NAME = `qdhcp-${ID}`;

const linkOf = (at: number, addresses: readonly string[], mtu: number, last: number): WantedLink => ({
  name: `ns-e9fb1eac-9${at.toString()}`,
  tap: `tape9fb1eac-9${at.toString()}`,
  portId: `e9fb1eac-9${at.toString()}00-463c-b64f-7724800bbb1a`,
  networkId: ID,
  mac: `fa:16:3e:07:a8:0${last.toString()}` as MacAddress,
  mtu,
  addresses,
});

const addresses = fc.uniqueArray(
  fc.constantFrom('172.32.0.100/24', '172.32.0.101/24', '10.0.0.1/31', '2001:db8::1/64', '198.51.100.7/32'),
);

/** Any namespace: of up to three links, with routes and neighbours through them. */
const worlds: fc.Arbitrary<WantedNamespace> = fc
  .uniqueArray(fc.tuple(fc.nat(2), addresses, fc.constantFrom(1_450, 1_500, 9_000), fc.nat(3)), {
    maxLength: 3,
    selector: ([at]) => at,
  })
  .chain((links) => {
    const made = links.map((each) => linkOf(...each));
    const device = made.length === 0 ? fc.constant('') : fc.constantFrom(...made.map(({ name }) => name));
    const hops = { 4: ['172.32.0.1', '172.32.0.2'], 6: ['2001:db8::2', 'fe80::1'] } as const;
    const route = fc.constantFrom<4 | 6>(4, 6).chain((version) =>
      fc.record({
        version: fc.constant(version),
        destination: fc.constantFrom('default', version === 4 ? '10.9.0.0/16' : '2001:db8:9::/48'),
        via: fc.constantFrom<string>(...hops[version]),
        device,
      }),
    );
    const neighbour = fc.record({
      ip: fc.constantFrom('fe80::1', 'fe80::2'),
      mac: fc.constantFrom('fa:16:3e:00:00:01' as MacAddress, 'fa:16:3e:00:00:02' as MacAddress),
      device,
    });
    const none = made.length === 0 ? 0 : 3;
    return fc.record({
      kind: fc.constant('dhcp' as const),
      id: fc.constant(ID),
      links: fc.constant(made),
      routes: fc.uniqueArray(route, {
        maxLength: none,
        selector: (each) => `${each.version.toString()}${each.destination}`,
      }),
      neighbours: fc.uniqueArray(neighbour, { maxLength: none, selector: (each) => `${each.ip}${each.device}` }),
      sysctls: fc.subarray(['net.ipv4.ip_forward=1', ...made.map(({ name }) => `net.ipv6.conf.${name}.accept_ra=0`)]),
    });
  });

const makeRight = (kernel: FakeNamespace, wanted: WantedNamespace): void => {
  const { make, open, prune } = planNamespace(wanted, kernel.observe());
  kernel.apply([...make, ...open, ...prune]);
};

const isRight = (kernel: FakeNamespace, wanted: WantedNamespace): void => {
  const { make, open, prune } = planNamespace(wanted, kernel.observe());
  expect([...make, ...open, ...prune].map(commandOf)).toEqual([]);
};

describe('a namespace', () => {
  test('is made as the article makes it', () => {
    const wanted: WantedNamespace = {
      kind: 'dhcp',
      id: ID,
      links: [linkOf(0, ['172.32.0.100/24', '169.254.169.254/16'], 1_500, 2)],
      routes: [{ destination: 'default', version: 4, via: '172.32.0.1', device: 'ns-e9fb1eac-90' }],
      sysctls: [],
    };
    const { make, open, prune } = planNamespace(wanted, { namespace: undefined, taps: new Map() });
    expect([...make, ...open].map(commandOf)).toEqual([
      `ip netns add ${NAME}`,
      `ip -n ${NAME} link set dev lo alias weft:dhcp:${ID} up`,
      `ip link add tape9fb1eac-90 type veth peer name ns-e9fb1eac-90 netns ${NAME}`,
      `ip -n ${NAME} link set dev ns-e9fb1eac-90 address fa:16:3e:07:a8:02 alias weft:dhcp:${ID}`,
      `ip -n ${NAME} addr add 172.32.0.100/24 brd 172.32.0.255 scope global dev ns-e9fb1eac-90`,
      `ip -n ${NAME} addr add 169.254.169.254/16 brd 169.254.255.255 scope global dev ns-e9fb1eac-90`,
      'ip link set dev tape9fb1eac-90 up',
      `ip -n ${NAME} link set dev ns-e9fb1eac-90 up`,
      `ip -n ${NAME} route replace default via 172.32.0.1 dev ns-e9fb1eac-90`,
    ]);
    expect(prune).toEqual([]);
  });

  test('comes from any state to any other, and is left alone there', () => {
    fc.assert(
      fc.property(worlds, worlds, (before, after) => {
        const kernel = new FakeNamespace();
        makeRight(kernel, before);
        isRight(kernel, before);
        makeRight(kernel, after);
        isRight(kernel, after);
      }),
      { numRuns: 300 },
    );
  });

  test('is put right whatever part of it is taken away', () => {
    fc.assert(
      fc.property(worlds, fc.nat(5), fc.nat(2), (wanted, what, at) => {
        const kernel = new FakeNamespace();
        makeRight(kernel, wanted);
        const link = wanted.links[at % Math.max(1, wanted.links.length)];
        const there = kernel.namespace;
        // Somebody who deletes the namespace leaves its taps when something else holds it.
        if (what === 0) kernel.namespace = undefined;
        else if (link !== undefined && there !== undefined) {
          const inside = there.links.get(link.name);
          if (what === 1) there.links.delete(link.name);
          else if (what === 2) kernel.taps.delete(link.tap);
          else if (what === 3) there.routes = [];
          else if (what === 4 && inside !== undefined) inside.addresses = ['203.0.113.1/24'];
          else if (inside !== undefined) Object.assign(inside, { up: false, mtu: 1_280, mac: 'fa:16:3e:ff:ff:ff' });
        }
        makeRight(kernel, wanted);
        isRight(kernel, wanted);
      }),
      { numRuns: 300 },
    );
  });

  test('goes with its links, and nothing is done twice', () => {
    fc.assert(
      fc.property(worlds, (wanted) => {
        const kernel = new FakeNamespace();
        makeRight(kernel, wanted);
        kernel.apply(planNamespaceRemoval(wanted, kernel.observe(), 'a test'));
        expect(kernel.namespace).toBeUndefined();
        expect(kernel.taps.size).toBe(0);
        expect(planNamespaceRemoval(wanted, kernel.observe(), 'a test')).toEqual([]);
      }),
    );
  });

  test('of that name that somebody else made is not touched', () => {
    const kernel = new FakeNamespace();
    const wanted: WantedNamespace = { kind: 'dhcp', id: ID, links: [], routes: [], sysctls: [] };
    makeRight(kernel, wanted);
    const lo = kernel.namespace?.links.get('lo');
    if (lo === undefined) throw new Error('no lo');
    // As neutron's own agent leaves it.
    delete lo.alias;
    expect(() => planNamespace(wanted, kernel.observe())).toThrow(/is not weft's/);
    expect(planNamespaceRemoval(wanted, kernel.observe(), 'a test')).toEqual([]);
    // Just made, by an agent that died before it could mark it.
    lo.up = false;
    expect(planNamespace(wanted, kernel.observe()).make.map(({ kind }) => kind)).toEqual(['mark-namespace']);
    lo.alias = edgeMark('router', ID);
    expect(() => planNamespace(wanted, kernel.observe())).toThrow(/is not weft's/);
  });

  test('does not take a device of the host that is no end of a pair of ours', () => {
    const wanted: WantedNamespace = { kind: 'dhcp', id: ID, links: [linkOf(0, [], 1_500, 1)], routes: [], sysctls: [] };
    const tap = { name: 'tape9fb1eac-90', index: 7, kind: 'tun', mac: '', mtu: 1_500, up: true, addresses: [] };
    const observed = { namespace: undefined, taps: new Map([[tap.name, tap]]) };
    expect(() => planNamespace(wanted, observed)).toThrow(/tape9fb1eac-90 exists and is not weft's/);
  });
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arbitraryWorld, changeOf, HOST, intentOf, NETWORK } from '../../testing/worlds.ts';
import type { World } from '../../testing/worlds.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import type { LocalPort } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { afterScript, isGuardedBy, NO_GUARDS, parseGuards } from './guard-dump.ts';
import type { ObservedGuards } from './guard-dump.ts';
import { planGuarded, planGuardedChange } from './guard-plan.ts';
import type { GuardedNetwork } from './guard-plan.ts';
import { portGuard } from './guard-rules.ts';
import { planNetworkChange } from './plan.ts';
import { FakeKernel } from './testing/fake-kernel.ts';

const seen = (guards: ObservedGuards): GuardedNetwork => ({ ...new FakeKernel().observe(NETWORK), guards });

/** What is there when the steps about rules are done. */
const after = (guards: ObservedGuards, steps: readonly Operation[]): ObservedGuards =>
  steps.filter(({ argv }) => argv[0] === 'nft').reduce((now, { argv }) => afterScript(now, argv[1] ?? ''), guards);

const locals = (world: World): readonly LocalPort[] => [...intentOf(world).ports.values()];

/** Exactly the ports with security are guarded, by exactly their rules. */
const expectGuarded = (guards: ObservedGuards, ports: readonly LocalPort[]): void => {
  const wanted = ports.flatMap((port) => portGuard(port) ?? []);
  for (const guard of wanted) expect(isGuardedBy(guards, guard, NETWORK.networkId)).toBe(true);
  expect([...guards.jumps.keys()].sort()).toEqual(wanted.map(({ device }) => device).sort());
  const chains = wanted.flatMap((guard) => guard.chains.map(({ name }) => name));
  expect([...guards.chains.keys()].filter((name) => name !== 'guests').sort()).toEqual(chains.sort());
  if (wanted.length > 0) expect(guards.base).toBe('right');
};

test('any table becomes what the ports need, and then nothing is left to do', () => {
  fc.assert(
    fc.property(arbitraryWorld, arbitraryWorld, (have, want) => {
      let guards = NO_GUARDS;
      for (const world of [have, want]) {
        guards = after(guards, planGuarded(intentOf(world), seen(guards), []));
        expectGuarded(guards, locals(world));
        expect(planGuarded(intentOf(world), seen(guards), [])).toEqual([]);
      }
    }),
    { numRuns: 200 },
  );
});

test('a change leads where a look would, and touches only the ports that changed', () => {
  fc.assert(
    fc.property(fc.array(arbitraryWorld, { minLength: 2, maxLength: 5 }), ([first, ...worlds]) => {
      if (first === undefined) return;
      let guards = after(NO_GUARDS, planGuarded(intentOf(first), seen(NO_GUARDS), []));
      let current = first;
      for (const world of worlds) {
        const change = changeOf(current, world);
        const steps = planGuardedChange(
          intentOf(world),
          change,
          guards,
          planNetworkChange(HOST, intentOf(world), change),
        );
        const changed = new Set(
          [...change.ports.values()].flatMap((views) => [views.before.local?.device, views.after.local?.device]),
        );
        for (const { kind, key } of steps) {
          if (kind.endsWith('guard') || kind === 'guard-port') expect(changed).toContain(key.slice('guard:'.length));
        }
        guards = after(guards, steps);
        expectGuarded(guards, locals(world));
        current = world;
      }
    }),
    { numRuns: 200 },
  );
});

test('rules come before the device is in the bridge, and without them it stays outside', () => {
  fc.assert(
    fc.property(arbitraryWorld, (world) => {
      const change = changeOf({ ports: new Map(), manualFlood: [] }, world);
      const steps = planGuardedChange(
        intentOf(world),
        change,
        NO_GUARDS,
        planNetworkChange(HOST, intentOf(world), change),
      );
      for (const { device, security } of locals(world)) {
        const guard = steps.findIndex(({ key, kind }) => kind === 'guard-port' && key === `guard:${device}`);
        const attach = steps.findIndex(({ key, kind }) => kind === 'attach-port' && key === `link:${device}`);
        expect(steps[attach]?.needs).toContain(`guard:${device}`);
        expect(guard !== -1).toBe(security.enabled);
        if (security.enabled) expect(guard).toBeLessThan(attach);
      }
    }),
    { numRuns: 100 },
  );
});

test('somebody else’s table of that name is left alone', () => {
  const foreign = parseGuards('table bridge weft {\n\tchain guests {\n\t}\n}\n');
  const port = { ...PORT, security: { enabled: true, pairs: [], revision: 1n } };
  const world: World = { ports: new Map([[PORT.portId, { local: port }]]), manualFlood: [] };
  expect(() => planGuarded(intentOf(world), seen(foreign), [])).toThrow('is not weft');
  const open: World = {
    ports: new Map([[PORT.portId, { local: { ...port, security: { enabled: false, pairs: [], revision: 1n } } }]]),
    manualFlood: [],
  };
  expect(planGuarded(intentOf(open), seen(foreign), [])).toEqual([]);
});

test('more addresses than one rule takes go on in further chains', () => {
  const pairs = Array.from({ length: 64 }, (_, n) => ({
    mac: PORT.mac,
    cidr: parseCidr('cidr', `10.${n.toString()}.0.0/16`),
  }));
  const guard = portGuard({ ...PORT, security: { enabled: true, pairs, revision: 1n } });
  expect(guard?.chains.map(({ name }) => name)).toEqual([
    'port-tap11111111-11.1',
    'port-tap11111111-11.2',
    'port-tap11111111-11.3',
    'port-tap11111111-11.4',
    'port-tap11111111-11',
  ]);
  for (const rule of guard?.chains.flatMap(({ rules }) => rules) ?? []) {
    expect(rule.split('!=').length).toBeLessThanOrEqual(35);
  }
});

const PORT: LocalPort = {
  portId: '11111111-1111-4111-8111-111111111111',
  device: 'tap11111111-11',
  mac: parseMac('mac', 'fa:16:3e:00:00:01'),
  ips: [parseUnicastIp('ip', '172.16.1.2'), parseUnicastIp('ip', '2001:db8::2')],
  generation: 1n,
  security: {
    enabled: true,
    pairs: [{ mac: parseMac('mac', '00:00:5e:00:01:01'), cidr: parseCidr('cidr', '172.16.1.100/32') }],
    revision: 1n,
  },
};

test('a port’s rules', () => {
  expect(portGuard(PORT)?.chains).toMatchInlineSnapshot(`
    [
      {
        "name": "port-tap11111111-11",
        "rules": [
          "ether saddr != fa:16:3e:00:00:01 ether saddr != 00:00:5e:00:01:01 counter name "port-tap11111111-11-source-mac" drop",
          "meta protocol 8021q counter name "port-tap11111111-11-vlan-tag" drop",
          "meta protocol 8021ad counter name "port-tap11111111-11-vlan-tag" drop",
          "meta protocol arp arp htype != 1 counter name "port-tap11111111-11-arp-sender" drop",
          "meta protocol arp ether saddr fa:16:3e:00:00:01 arp saddr ether != fa:16:3e:00:00:01 counter name "port-tap11111111-11-arp-sender" drop",
          "meta protocol arp ether saddr fa:16:3e:00:00:01 arp saddr ip != 0.0.0.0 arp saddr ip != 172.16.1.2 counter name "port-tap11111111-11-arp-sender" drop",
          "meta protocol arp ether saddr 00:00:5e:00:01:01 arp saddr ether != 00:00:5e:00:01:01 counter name "port-tap11111111-11-arp-sender" drop",
          "meta protocol arp ether saddr 00:00:5e:00:01:01 arp saddr ip != 0.0.0.0 arp saddr ip != 172.16.1.100 counter name "port-tap11111111-11-arp-sender" drop",
          "meta protocol ip udp dport 68 counter name "port-tap11111111-11-dhcp-server" drop",
          "meta protocol ip6 udp dport 546 counter name "port-tap11111111-11-dhcp-server" drop",
          "meta protocol ip6 icmpv6 type nd-router-advert counter name "port-tap11111111-11-router-advertisement" drop",
          "meta protocol ip6 ether saddr fa:16:3e:00:00:01 icmpv6 type nd-neighbor-advert @th,64,128 != 0x20010db8000000000000000000000002 @th,64,128 != 0xfe80000000000000f8163efffe000001 counter name "port-tap11111111-11-nd-target" drop",
          "meta protocol ip6 ether saddr fa:16:3e:00:00:01 ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 != 0x20010db8000000000000000000000002 @th,64,128 != 0xfe80000000000000f8163efffe000001 counter name "port-tap11111111-11-nd-target" drop",
          "meta protocol ip6 ether saddr 00:00:5e:00:01:01 icmpv6 type nd-neighbor-advert @th,64,128 != 0xfe8000000000000002005efffe000101 counter name "port-tap11111111-11-nd-target" drop",
          "meta protocol ip6 ether saddr 00:00:5e:00:01:01 ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 != 0xfe8000000000000002005efffe000101 counter name "port-tap11111111-11-nd-target" drop",
          "meta protocol ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
          "meta protocol ip6 ip6 saddr :: meta l4proto ipv6-icmp accept",
          "meta protocol ip ether saddr fa:16:3e:00:00:01 ip saddr != 172.16.1.2 counter name "port-tap11111111-11-ipv4-source" drop",
          "meta protocol ip6 ether saddr fa:16:3e:00:00:01 ip6 saddr != 2001:db8::2 ip6 saddr != fe80::f816:3eff:fe00:1 counter name "port-tap11111111-11-ipv6-source" drop",
          "meta protocol ip ether saddr 00:00:5e:00:01:01 ip saddr != 172.16.1.100 counter name "port-tap11111111-11-ipv4-source" drop",
          "meta protocol ip6 ether saddr 00:00:5e:00:01:01 ip6 saddr != fe80::200:5eff:fe00:101 counter name "port-tap11111111-11-ipv6-source" drop",
        ],
      },
    ]
  `);
});

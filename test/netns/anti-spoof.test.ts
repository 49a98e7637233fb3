import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseCidr } from '#platform/net/cidr.ts';
import { linkLocalOf } from '#platform/net/eui64.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { Dataplane, KernelEvent, ObservedNetwork } from '../../agents/dataplane/model/host.ts';
import type { HostIdentity, LocalPort, NetworkIntent } from '../../agents/dataplane/model/intent.ts';
import type { Operation } from '../../agents/dataplane/model/operation.ts';
import type { PortSecurity, SpoofedFrames, SpoofReason } from '../../agents/dataplane/model/port-security.ts';

import { arp, discovery, ethernet, listen, MARK, send, tagged, udp4, udp6 } from '../support/frames.ts';
import type { Ear } from '../support/frames.ts';
import { startOvsHost } from '../support/ovs-host.ts';
import { startOvs } from '../support/ovs.ts';
import { type Namespace, Namespaces } from './namespaces.ts';
import { allDone, entryOf, facts, intentOf, localPort, port, startHost, vtep } from './overlay.ts';

const signal = AbortSignal.timeout(600_000);
const SELF: HostIdentity = { hostId: 'a', vtep: vtep('a', '192.0.2.1') };
const NETWORK = facts(1);
const [guest, other] = [port(1), port(2)];
const { mac: own, device } = guest;
const [own4 = '', own6 = ''] = guest.ips;
const [other4 = '', other6 = ''] = other.ips;
const own6l = linkLocalOf(own);
const STRANGER = 'fa:16:3e:00:00:99';
const VIRTUAL = '00:00:5e:00:01:01';
const SHARED = '10.0.0.200';

const CHECKED: PortSecurity = { enabled: true, pairs: [], revision: 1n };
const PAIRED: PortSecurity = {
  enabled: true,
  pairs: [{ mac: parseMac('mac', VIRTUAL), cidr: parseCidr('cidr', `${SHARED}/32`) }],
  revision: 2n,
};
const OPEN: PortSecurity = { enabled: false, pairs: [], revision: 3n };

const HONEST: Readonly<Record<string, string>> = {
  'ARP of its address': arp(own, own, own4),
  'an ARP probe': arp(own, own, '0.0.0.0'),
  'IPv4 from its address': udp4(own, own4, [5000, 53]),
  'a DHCP client': udp4(own, '0.0.0.0', [68, 67]),
  'IPv6 from its address': udp6(own, own6, [5000, 53]),
  'a DHCPv6 client': udp6(own, own6l, [546, 547]),
  'duplicate address detection': discovery(own, '::', 135, own6),
  'a solicitation': discovery(own, own6, 135, other6),
  'an advertisement of its address': discovery(own, own6, 136, own6),
  'an advertisement of its link-local address': discovery(own, own6l, 136, own6l),
  'another protocol': ethernet(own, 0x88cc, MARK),
  'its address in a VLAN': tagged(udp4(own, own4, [5001, 53]), 5),
};

const FORGED: readonly (readonly [SpoofReason, string, string])[] = [
  ['source-mac', 'another MAC address', udp4(STRANGER, own4, [5000, 53])],
  ['source-mac', 'another MAC address of any protocol', ethernet(STRANGER, 0x88cc, MARK)],
  ['arp-sender', 'another’s address', arp(own, own, other4)],
  ['arp-sender', 'another’s address, tagged with priority', tagged(arp(own, own, other4), 0)],
  ['arp-sender', 'another MAC address for its own address', arp(own, STRANGER, own4)],
  ['ipv4-source', 'another’s address', udp4(own, other4, [5000, 53])],
  ['ipv4-source', 'no address, but for DHCP', udp4(own, '0.0.0.0', [68, 53])],
  ['ipv6-source', 'another’s address', udp6(own, other6, [5000, 53])],
  ['ipv6-source', 'another’s link-local address', udp6(own, linkLocalOf(other.mac), [5000, 53])],
  ['nd-target', 'an advertisement of another’s address', discovery(own, own6, 136, other6)],
  ['nd-target', 'detection of another’s address', discovery(own, '::', 135, other6)],
  ['dhcp-server', 'an answer of DHCP', udp4(own, own4, [67, 68])],
  ['dhcp-server', 'an answer of DHCPv6', udp6(own, own6l, [547, 546])],
  ['router-advertisement', 'an advertisement of a router', discovery(own, own6l, 134, '::')],
  ['vlan-tag', 'a VLAN in a VLAN', tagged(tagged(arp(own, own, other4), 0), 0)],
];

interface Bench extends AsyncDisposable {
  readonly dataplane: Dataplane;
  readonly namespace: Namespace;
  readonly events: readonly KernelEvent[];
  plan(intent: NetworkIntent): Promise<readonly Operation[]>;
  /** Takes away all that keeps guests from forging, by hand. */
  tamper(): Promise<void>;
  /** What is there for the guest's device. */
  traces(): Promise<string>;
}

const plans =
  <Observed extends ObservedNetwork>(dataplane: Dataplane<Observed>) =>
  async (intent: NetworkIntent): Promise<readonly Operation[]> =>
    dataplane.plan(SELF, intent, await dataplane.observe(intent, signal), signal);

const linuxBridge = async (): Promise<Bench> => {
  await using stack = new AsyncDisposableStack();
  const namespace = await stack.use(new Namespaces()).add('as-lb');
  const { dataplane } = stack.use(await startHost(namespace, SELF.vtep));
  const events: KernelEvent[] = [];
  const halt = new AbortController();
  const watching = (async () => {
    for await (const event of dataplane.events(halt.signal)) events.push(event);
  })();
  stack.defer(async () => {
    halt.abort();
    await watching;
  });
  const kept = stack.move();
  return {
    ...{ dataplane: dataplane, namespace, events, plan: plans(dataplane) },
    tamper: async () => {
      await namespace.must('nft', 'flush', 'ruleset');
    },
    traces: async () => (await namespace.run('nft', 'list', 'ruleset')).stdout,
    [Symbol.asyncDispose]: async () => kept.disposeAsync(),
  };
};

const openVswitch = async (): Promise<Bench> => {
  await using stack = new AsyncDisposableStack();
  const ovs = stack.use(await startOvs({ name: 'as-ovs' }));
  const { dataplane, events } = stack.use(await startOvsHost(ovs, SELF));
  const kept = stack.move();
  return {
    ...{ dataplane: dataplane, namespace: ovs.namespace, events, plan: plans(dataplane) },
    tamper: async () => {
      await ovs.ofctl('-O', 'OpenFlow15', '--names', 'del-flows', 'br-int', `table=10,in_port=${device}`);
    },
    traces: async () => ovs.ofctl('-O', 'OpenFlow15', '--names', '--no-stats', 'dump-flows', 'br-int', 'table=10'),
    [Symbol.asyncDispose]: async () => kept.disposeAsync(),
  };
};

describe.each([
  ['Linux bridge', linuxBridge],
  ['Open vSwitch', openVswitch],
] as const)('%s', (_name, start) => {
  const stack = new AsyncDisposableStack();
  let bench: Bench;
  let attacker: Namespace;
  let ear: Ear;
  let marks = 0;

  const intent = (security: PortSecurity): NetworkIntent =>
    intentOf(
      SELF,
      NETWORK,
      [localPort(guest, 1n, security), localPort(other, 1n, CHECKED)],
      [entryOf(guest, SELF.vtep), entryOf(other, SELF.vtep)],
    );

  beforeAll(async () => {
    bench = stack.use(await start());
    const namespaces = stack.use(new Namespaces());
    attacker = await namespaces.add('as-guest');
    const victim = await namespaces.add('as-other');
    for (const [namespace, { device: tap, mac }] of [
      [attacker, guest],
      [victim, other],
    ] as const) {
      await bench.namespace.veth(tap, namespace, 'eth0', mac);
      await namespace.must('ip', 'link', 'set', 'eth0', 'up');
      // With Open vSwitch that is its owner's matter.
      await bench.namespace.must('ip', 'link', 'set', tap, 'up');
    }
    const isKnown = (name: string): boolean =>
      bench.events.some((event) => event.kind === 'link' && event.link.name === name && event.link.kind === 'present');
    await eventually('its devices', () => isKnown(device) && isKnown(other.device));
    allDone(await bench.dataplane.apply(await bench.plan(intent(CHECKED)), signal));
    expect(await bench.plan(intent(CHECKED))).toEqual([]);
    ear = stack.use(await listen(victim, 'eth0'));
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const spoofed = async (): Promise<SpoofedFrames> =>
    (await bench.dataplane.spoofedFrames([device], signal)).get(device) ?? new Map();

  /** Which of these frames arrive, by their place: each bears a mark, and so does the last, which is honest. */
  const arriving = async (frames: readonly string[]): Promise<readonly number[]> => {
    const mark = (): string => `c0ffee${(marks += 1).toString(16).padStart(6, '0')}`;
    const marked = [...frames, HONEST['IPv4 from its address'] ?? ''].map((frame) => [mark(), frame] as const);
    const has = (each: string): boolean => ear.heard.some((frame) => frame.includes(each));
    const last = marked.at(-1)?.[0] ?? '';
    await send(
      attacker,
      'eth0',
      marked.map(([each, frame]) => frame.replace(MARK, each)),
    );
    await eventually('the last frame', () => has(last));
    return marked.slice(0, -1).flatMap(([each], at) => (has(each) ? [at] : []));
  };

  const change = async (before: PortSecurity, after: PortSecurity): Promise<readonly Operation[]> => {
    const [local, next] = [localPort(guest, 1n, before), localPort(guest, 1n, after)];
    const views = { before: { local, plugging: 1 }, after: { local: next, plugging: 1 } };
    const ports = new Map([[guest.portId, views]]);
    const steps = bench.dataplane.planChange(SELF, intent(after), { ports, floodAdded: [], floodRemoved: [] });
    allDone(await bench.dataplane.apply(steps, signal));
    expect(await bench.plan(intent(after))).toEqual([]);
    return steps;
  };

  test('what is honest arrives, and is counted as nothing else', async () => {
    const before = await spoofed();
    const arrived = await arriving(Object.values(HONEST));
    expect(Object.keys(HONEST).filter((_, at) => !arrived.includes(at))).toEqual([]);
    expect(await spoofed()).toEqual(before);
  });

  test('what is forged does not arrive, and is counted by reason', async () => {
    const before = await spoofed();
    expect(await arriving(FORGED.map(([, , frame]) => frame))).toEqual([]);
    const after = await spoofed();
    const counted = Object.fromEntries(
      [...after].map(([reason, count]) => [reason, count - (before.get(reason) ?? 0)]),
    );
    const sent = FORGED.map(([reason]) => reason);
    const reasons = [...new Set(sent)].map((reason) => [reason, sent.filter((each) => each === reason).length]);
    expect(counted).toEqual(Object.fromEntries(reasons));
  });

  test('an allowed pair passes as soon as it is one, under its MAC address alone, and nothing but rules is touched', async () => {
    const frames = [arp(VIRTUAL, VIRTUAL, SHARED), udp4(VIRTUAL, SHARED, [1, 2]), udp4(own, SHARED, [1, 2])];
    expect(await arriving(frames)).toEqual([]);
    const steps = await change(CHECKED, PAIRED);
    expect(steps.every(({ key }) => key === `guard:${device}` || key.startsWith(`flow ${device} `))).toBe(true);
    expect(await arriving(frames)).toEqual([0, 1]);
  });

  test('without security anything passes, and with it again nothing', async () => {
    const frames = FORGED.map(([, , frame]) => frame);
    await change(PAIRED, OPEN);
    expect(await arriving(frames)).toHaveLength(frames.length);
    await change(OPEN, { ...CHECKED, revision: 4n });
    expect(await arriving(frames)).toEqual([]);
  });

  test('rules that somebody takes away are told of and written again', async () => {
    const told = bench.events.length;
    await bench.tamper();
    await eventually('word of it', () =>
      bench.events.slice(told).some(({ kind }) => kind === 'guards' || kind === 'network' || kind === 'row'),
    );
    const steps = await bench.plan(intent(CHECKED));
    expect(steps.length).toBeGreaterThan(0);
    allDone(await bench.dataplane.apply(steps, signal));
    expect(await bench.plan(intent(CHECKED))).toEqual([]);
    expect(await arriving(FORGED.map(([, , frame]) => frame))).toEqual([]);
  });

  test('a port that goes leaves no rules', async () => {
    expect(await bench.traces()).toContain(device);
    const local: LocalPort = localPort(guest, 1n, CHECKED);
    const ports = new Map([[guest.portId, { before: { local }, after: {} }]]);
    const left: NetworkIntent = intentOf(SELF, NETWORK, [localPort(other, 1n, CHECKED)], []);
    const steps = bench.dataplane.planChange(SELF, left, { ports, floodAdded: [], floodRemoved: [] });
    allDone(await bench.dataplane.apply(steps, signal));
    expect(await bench.traces()).not.toContain(device);
  });
});

test('rules of 1,000 ports of a host are written at once', async ({ annotate }) => {
  await using bench = await linuxBridge();
  const stepsOf = (ports: readonly number[]): readonly Operation[] =>
    ports.flatMap((n) => bench.dataplane.planAhead?.(NETWORK, localPort(port(n), 1n, CHECKED)) ?? []);
  const load = async (ports: readonly number[]): Promise<number> => {
    const begun = performance.now();
    allDone(await bench.dataplane.apply(stepsOf(ports), signal));
    return performance.now() - begun;
  };
  // The table itself, and what is there of it.
  await bench.plan(intentOf(SELF, NETWORK, [], []));
  await load([1]);
  const ports = Array.from({ length: 1_000 }, (_, at) => at + 2);
  const ms = await load(ports);
  await annotate(`${ports.length.toString()} ports in ${ms.toFixed(0)} ms`);
  const said = await bench.traces();
  expect(ports.filter((n) => !said.includes(`jump port-${port(n).device}`))).toEqual([]);
  expect(stepsOf(ports)).toEqual([]);
});

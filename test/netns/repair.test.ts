import { expect, test } from 'vitest';
import { Namespaces } from './namespaces.ts';
import {
  allDone,
  bootGuest,
  entryOf,
  facts,
  intentOf,
  localPort,
  plugGuest,
  port,
  reconcile,
  signal,
  startHost,
  twoHosts,
  vtep,
} from './overlay.ts';

const network = facts(1);
const bridge = 'brq00000001-00';
const vxlan = 'vxlan-71';
const [one, two, three] = [port(1), port(2), port(3)];

const BY_HAND: readonly (readonly [string, readonly string[], number])[] = [
  ['a row of the VXLAN device is deleted', ['bridge', 'fdb', 'del', two.mac, 'dev', vxlan, 'self'], 1],
  [
    'a row of the VXLAN device points elsewhere',
    ['bridge', 'fdb', 'replace', two.mac, 'dev', vxlan, 'dst', '192.0.2.99', 'self', 'static'],
    1,
  ],
  ['a row of the bridge is deleted', ['bridge', 'fdb', 'del', two.mac, 'dev', vxlan, 'master'], 1],
  ['a local row of the bridge is deleted', ['bridge', 'fdb', 'del', one.mac, 'dev', one.device, 'master'], 1],
  ['a neighbour is deleted', ['ip', 'neigh', 'del', two.ips[0] ?? '', 'dev', vxlan], 1],
  [
    'a neighbour is another',
    ['ip', 'neigh', 'replace', two.ips[1] ?? '', 'lladdr', one.mac, 'nud', 'permanent', 'dev', vxlan],
    1,
  ],
  [
    'a flood row is deleted',
    ['bridge', 'fdb', 'del', '00:00:00:00:00:00', 'dev', vxlan, 'dst', '192.0.2.2', 'self'],
    1,
  ],
  [
    'a flood row is added',
    ['bridge', 'fdb', 'append', '00:00:00:00:00:00', 'dev', vxlan, 'dst', '192.0.2.99', 'self', 'permanent'],
    1,
  ],
  [
    'a flood row of another UDP port is added',
    [
      'bridge',
      'fdb',
      'append',
      '00:00:00:00:00:00',
      'dev',
      vxlan,
      'dst',
      '192.0.2.2',
      'port',
      '99',
      'self',
      'permanent',
    ],
    1,
  ],
  [
    'an unknown row is added',
    ['bridge', 'fdb', 'replace', three.mac, 'dev', vxlan, 'dst', '192.0.2.99', 'self', 'master', 'static'],
    2,
  ],
  [
    'an unknown neighbour is added',
    ['ip', 'neigh', 'replace', '10.0.9.9', 'lladdr', three.mac, 'nud', 'permanent', 'dev', vxlan],
    1,
  ],
  ['the tap leaves the bridge', ['ip', 'link', 'set', 'dev', one.device, 'nomaster'], 3],
  ['the VXLAN device leaves the bridge', ['ip', 'link', 'set', 'dev', vxlan, 'nomaster'], 3],
  ['the VXLAN device is deleted', ['ip', 'link', 'del', 'dev', vxlan], 9],
  ['the bridge is deleted', ['ip', 'link', 'del', 'dev', bridge], 11],
  ['the bridge is set down', ['ip', 'link', 'set', 'dev', bridge, 'down'], 1],
  ['the VXLAN device learns', ['ip', 'link', 'set', 'dev', vxlan, 'type', 'vxlan', 'learning'], 1],
  [
    'the bridge learns from the tunnel',
    ['ip', 'link', 'set', 'dev', vxlan, 'type', 'bridge_slave', 'learning', 'on'],
    1,
  ],
  // The bridge goes along with the lowest of its ports.
  ['the MTU differs', ['ip', 'link', 'set', 'dev', vxlan, 'mtu', '1300'], 2],
  ['the bridge snoops multicast', ['ip', 'link', 'set', 'dev', bridge, 'type', 'bridge', 'mcast_snooping', '1'], 1],
  ['the host listens to guests', ['sysctl', '-q', '-w', `net.ipv4.conf.${bridge}.rp_filter=0`], 1],
];

test('what a hand does is found, undone by few steps, and traffic flows again', async () => {
  await using namespaces = new Namespaces();
  const [a, b] = await twoHosts(namespaces);
  await using _a = a;
  await using _b = b;
  const guest = await bootGuest(namespaces, a, one);
  await bootGuest(namespaces, b, two);
  const entries = [entryOf(one, a.identity.vtep), entryOf(two, b.identity.vtep)];
  const intent = intentOf(a.identity, network, [localPort(one)], entries);
  await reconcile(a, intent);
  await reconcile(b, intentOf(b.identity, network, [localPort(two)], entries));
  for (const [what, argv, most] of BY_HAND) {
    await a.namespace.must(...argv);
    const steps = await reconcile(a, intent);
    expect(steps.length, `${what}: ${steps.map((step) => step.argv.join(' ')).join('; ')}`).toBeGreaterThan(0);
    expect(
      steps.filter(({ kind }) => !['mark-link', 'isolate-bridge', 'set-bridge', 'set-vxlan'].includes(kind)).length,
      what,
    ).toBeLessThanOrEqual(most);
    expect(await reconcile(a, intent), what).toEqual([]);
    for (const ip of two.ips) {
      const said = await guest.run('ping', '-c', '1', '-W', '1', ip);
      expect(said.stdout, what).toContain(' 0% packet loss');
    }
  }
});

test('a VXLAN device with another VNI, UDP port or remote of ours is made anew with all its rows', async () => {
  await using namespaces = new Namespaces();
  const host = await namespaces.add('a');
  await host.must('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'lo');
  await using a = await startHost(host, vtep('host-a', '192.0.2.1'));
  const intent = intentOf(a.identity, network, [], [entryOf(two, vtep('host-b', '192.0.2.2'))]);
  for (const words of [
    ['id', '5', 'local', '192.0.2.1', 'dstport', '4789', 'nolearning', 'proxy'],
    ['id', '71', 'local', '192.0.2.1', 'dstport', '8472', 'nolearning', 'proxy'],
    ['id', '71', 'local', '192.0.2.1', 'dstport', '4789', 'nolearning', 'proxy', 'remote', '192.0.2.50'],
    ['id', '71', 'local', '192.0.2.1', 'dstport', '4789', 'nolearning'],
    ['id', '71', 'local', '2001:db8::1', 'dstport', '4789', 'nolearning', 'proxy'],
  ]) {
    await host.run('ip', 'link', 'del', 'dev', vxlan);
    await host.must('ip', 'link', 'add', 'name', vxlan, 'type', 'vxlan', ...words);
    await host.must('ip', 'link', 'set', 'dev', vxlan, 'alias', `weft:network:${network.networkId}`);
    const kinds = (await reconcile(a, intent)).map(({ kind }) => kind);
    expect(kinds).toEqual(
      expect.arrayContaining(['replace-vxlan', 'add-vxlan', 'replace-fdb', 'replace-neighbour', 'append-flood']),
    );
    expect(await reconcile(a, intent)).toEqual([]);
  }
  // The local address alone can be changed as it is.
  await host.must('ip', 'link', 'set', 'dev', vxlan, 'type', 'vxlan', 'local', '192.0.2.200');
  expect((await reconcile(a, intent)).map(({ argv }) => argv.join(' '))).toEqual([
    `ip link set dev ${vxlan} type vxlan local 192.0.2.1`,
  ]);
});

test('a device of that name that is not ours is named and left alone; one of ours half made is finished', async () => {
  await using namespaces = new Namespaces();
  const host = await namespaces.add('a');
  await using a = await startHost(host, vtep('host-a', '192.0.2.1'));
  const intent = intentOf(a.identity, network, [], [entryOf(two, vtep('host-b', '192.0.2.2'))]);
  for (const make of [
    ['ip', 'link', 'add', 'name', vxlan, 'type', 'vxlan', 'id', '71', 'dstport', '4789', 'external'],
    ['ip', 'link', 'add', 'name', vxlan, 'type', 'vxlan', 'id', '71', 'dstport', '4789'],
    ['ip', 'link', 'add', 'name', bridge, 'type', 'bridge'],
    ['ip', 'link', 'add', 'name', bridge, 'type', 'veth', 'peer', 'name', 'other'],
  ]) {
    if (make.includes('external')) make.splice(make.indexOf('id'), 2);
    await host.must(...make);
    const before = await host.must('ip', '-details', 'link', 'show');
    await expect(reconcile(a, intent)).rejects.toMatchObject({ code: 'precondition', details: { device: make[4] } });
    expect(await host.must('ip', '-details', 'link', 'show')).toBe(before);
    expect(await a.dataplane.observeOwned(signal)).toEqual(new Map());
    await host.must('ip', 'link', 'del', 'dev', make[4] ?? '');
  }
  // As an agent leaves it that dies right after the first steps.
  const observed = await a.dataplane.observe(intent, signal);
  const steps = await a.dataplane.plan(a.identity, intent, observed);
  const firstTwo = steps.slice(0, 2);
  expect(firstTwo.map(({ kind }) => kind)).toEqual(['add-bridge', 'add-vxlan']);
  allDone(await a.dataplane.apply(firstTwo, signal));
  const rest = (await reconcile(a, intent)).map(({ kind }) => kind);
  expect(rest).not.toContain('add-vxlan');
  expect(rest.filter((kind) => kind === 'mark-link')).toHaveLength(2);
  expect(await reconcile(a, intent)).toEqual([]);
});

test('a step whose device could not be made is not tried on another of that name', async () => {
  await using namespaces = new Namespaces();
  const host = await namespaces.add('a');
  await using a = await startHost(host, vtep('host-a', '192.0.2.1'));
  const intent = intentOf(a.identity, network, [], [entryOf(two, vtep('host-b', '192.0.2.2'))]);
  const observed = await a.dataplane.observe(intent, signal);
  const steps = await a.dataplane.plan(a.identity, intent, observed);
  await host.must('ip', 'link', 'add', 'name', bridge, 'type', 'veth', 'peer', 'name', 'other');
  const outcomes = await a.dataplane.apply(steps, signal);
  expect(outcomes.find(({ operation }) => operation.kind === 'add-bridge')?.error).toContain('File exists');
  const touched = outcomes.filter(
    ({ operation, error }) =>
      operation.argv.includes(bridge) && operation.key === `link:${bridge}` && error === undefined,
  );
  expect(touched).toEqual([]);
  expect(await host.must('ip', '-details', 'link', 'show', 'dev', bridge)).not.toContain('alias');
});

test('a network is removed without a trace, and its taps stay', async () => {
  await using namespaces = new Namespaces();
  const [host, elsewhere] = [await namespaces.add('a'), await namespaces.add('g')];
  await using a = await startHost(host, vtep('host-a', '192.0.2.1'));
  await plugGuest(a, elsewhere, one);
  const intent = intentOf(a.identity, network, [localPort(one)], [entryOf(two, vtep('host-b', '192.0.2.2'))]);
  await reconcile(a, intent);
  const owned = (await a.dataplane.observeOwned(signal)).get(network.networkId);
  expect(owned?.devices.toSorted()).toEqual([bridge, vxlan]);
  expect(owned?.ports).toEqual([one.device]);
  const removal = owned === undefined ? [] : a.dataplane.planRemoval(owned);
  allDone(await a.dataplane.apply(removal, signal));
  expect(await a.dataplane.observeOwned(signal)).toEqual(new Map());
  const links = JSON.parse(await host.must('ip', '-json', 'link', 'show')) as readonly {
    readonly ifname: string;
    readonly master?: string;
  }[];
  expect(links.map(({ ifname, master }) => [ifname, master])).toEqual([
    ['lo', undefined],
    [one.device, undefined],
  ]);
  // Once more, as after a crash in between: nothing to do is no failure. And from nothing, with devices of the same names.
  allDone(await a.dataplane.apply(removal, signal));
  await reconcile(a, intent);
  expect(await reconcile(a, intent)).toEqual([]);
});

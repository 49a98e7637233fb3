import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually as within } from '#platform/testing/eventually.ts';
import {
  floatingAddress,
  idOf,
  routedSubnet,
  routerDuty,
  servedPort,
  staticRoute,
} from '../../agents/dataplane/edge/router/testing/duty.ts';
import { applySteps } from '../../agents/dataplane/edge/core/apply.ts';
import { wantedRouter } from '../../agents/dataplane/edge/router/desired.ts';
import { observeRouter } from '../../agents/dataplane/edge/router/observe.ts';
import { planRouter, planRouterRemoval } from '../../agents/dataplane/edge/router/plan.ts';
import type { RouterDuty } from '../../agents/dataplane/model/router-duty.ts';
import { Namespaces } from './namespaces.ts';
import type { Namespace } from './namespaces.ts';
import { answers, guestOn, insideOf, startEdge, stateFolder, toolsOf } from './router.ts';

const eventually = async (what: string, holds: () => Promise<boolean>, withinMs = 5_000): Promise<void> => {
  await within(what, holds, withinMs);
};

const INTERNET = '198.51.100.1';
const BASE = 0x7e_57_00_00;
const at = (number: number): number => BASE + number;

/** A router of two networks and a gateway. Its numbers are this file's, since names of namespaces are the machine's. */
const first = (more: Partial<RouterDuty> = {}): RouterDuty =>
  routerDuty({
    routerId: idOf(at(1)),
    gateway: servedPort(at(0x10), at(0xe0), ['172.32.0.101/24'], { mtu: 1_500, gatewayIps: ['172.32.0.1'] }),
    interfaces: [
      servedPort(at(0x11), at(0xe1), ['172.16.1.1/24', '2001:db8:1::1/64']),
      servedPort(at(0x12), at(0xe2), ['172.16.2.1/24', '2001:db8:2::1/64']),
    ],
    subnets: [
      routedSubnet(at(0xe1), '172.16.1.0/24'),
      routedSubnet(at(0xe1), '2001:db8:1::/64', 'slaac'),
      routedSubnet(at(0xe2), '2001:db8:2::/64', 'slaac'),
    ],
    floating: [floatingAddress(at(0xf1), '172.32.0.150', '172.16.1.7')],
    ...more,
  });

/** Another one, whose inside has the same range. */
const second: RouterDuty = routerDuty({
  routerId: idOf(at(2)),
  gateway: servedPort(at(0x20), at(0xe0), ['172.32.0.102/24'], { mtu: 1_500, gatewayIps: ['172.32.0.1'] }),
  interfaces: [servedPort(at(0x21), at(0xe3), ['172.16.1.1/24'])],
  subnets: [routedSubnet(at(0xe3), '172.16.1.0/24')],
  floating: [],
});

const FORMER = '02:00:00:00:00:99';

const tapOf = (number: number): string => `tap${idOf(at(number)).slice(0, 11)}`;

/** What plugs taps on a real host: into their network's bridge, and up. */
const PLUGS: Readonly<Record<string, string>> = {
  [tapOf(0x10)]: 'ext',
  [tapOf(0x11)]: 'one',
  [tapOf(0x12)]: 'two',
  [tapOf(0x20)]: 'ext',
  [tapOf(0x21)]: 'other',
};
const plug = async (host: Namespace): Promise<void> => {
  for (const [tap, bridge] of Object.entries(PLUGS)) {
    await eventually(tap, async () => (await host.run('ip', 'link', 'set', 'dev', tap, 'master', bridge)).status === 0);
  }
};

const world = async (namespaces: Namespaces) => {
  const host = await namespaces.add('host');
  for (const bridge of ['ext', 'one', 'two', 'other']) {
    await host.must('ip', 'link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
    await host.must('ip', 'link', 'set', bridge, 'up');
  }
  const on = async (bridge: string, label: string, ...setup: readonly string[]): Promise<Namespace> =>
    await guestOn(namespaces, host, bridge, label, setup);
  const inside = async (bridge: string, label: string, address: string, gateway: string): Promise<Namespace> =>
    await on(bridge, label, `addr add ${address}/24 dev eth0`, `route add default via ${gateway}`);
  const outside = await on('ext', 'out', 'addr add 172.32.0.1/24 dev eth0', `addr add ${INTERNET}/32 dev lo`);
  const [seven, eight, nine, other] = [
    await inside('one', 'g7', '172.16.1.7', '172.16.1.1'),
    await inside('one', 'g8', '172.16.1.8', '172.16.1.1'),
    await inside('two', 'g9', '172.16.2.9', '172.16.2.1'),
    await inside('other', 'o7', '172.16.1.7', '172.16.1.1'),
  ];
  return { host, outside, seven, eight, nine, other };
};

test('two routers with one range inside: translation, floating addresses, drift, and nothing left in the end', async () => {
  await using state = await stateFolder([first().routerId, second.routerId]);
  await using namespaces = new Namespaces();
  const { host, outside, seven, eight, nine, other } = await world(namespaces);
  const router = insideOf(first().routerId);
  {
    // Who had these addresses before: only a gratuitous ARP tells that it is somebody else now.
    const taken = ['172.32.0.101', '172.32.0.150'];
    for (const address of taken) {
      await outside.must('ip', 'neigh', 'replace', address, 'lladdr', FORMER, 'dev', 'eth0', 'nud', 'stale');
    }
    await seven.must('ip', 'neigh', 'replace', '172.16.1.1', 'lladdr', FORMER, 'dev', 'eth0', 'nud', 'stale');
    await using edge = await startEdge(host, state.path);
    edge.duties.replace([first(), second], true);
    await plug(host);
    await eventually('those who knew somebody else by its addresses know better', async () => {
      const known = await Promise.all([
        ...taken.map(async (address) => outside.must('ip', 'neigh', 'show', address)),
        seven.must('ip', 'neigh', 'show', '172.16.1.1'),
      ]);
      return known.every((line) => line.includes('lladdr') && !line.includes(FORMER));
    });

    // Inside, outside, and what outside sees.
    await eventually('the gateway', async () => answers(seven, '172.16.1.1'));
    expect(await answers(seven, '172.16.2.9')).toBe(true);
    expect(await answers(nine, INTERNET)).toBe(true);
    expect(await answers(other, INTERNET)).toBe(true);
    expect(await router.must('conntrack', '-L', '--src', '172.16.2.9')).toContain('dst=172.32.0.101');
    expect(await insideOf(second.routerId).must('conntrack', '-L')).toContain('dst=172.32.0.102');

    // A floating address: from outside, from its own network, from another one, and as its guest's sender.
    expect(await answers(outside, '172.32.0.150')).toBe(true);
    expect(await answers(eight, '172.32.0.150')).toBe(true);
    expect(await answers(nine, '172.32.0.150')).toBe(true);
    expect(await answers(seven, '172.32.0.150')).toBe(true);
    expect(await answers(other, '172.32.0.150')).toBe(true);
    expect(await answers(seven, INTERNET)).toBe(true);
    expect(await router.must('conntrack', '-L', '--src', '172.16.1.7', '--dst', INTERNET)).toContain(
      'dst=172.32.0.150',
    );

    // IPv6: a guest that comes learns prefix and router, and is routed as it is.
    await seven.must('ip', 'addr', 'add', '2001:db8:1::7/64', 'dev', 'eth0', 'nodad');
    await seven.must('ip', 'route', 'replace', 'default', 'via', '2001:db8:1::1');
    const ten = await guestOn(namespaces, host, 'two', 'g10', []);
    await eventually('a router and an address by SLAAC', async () => answers(ten, '2001:db8:1::7'));
    expect(await ten.must('ip', '-6', 'addr', 'show', 'dev', 'eth0')).toContain('2001:db8:2:');

    // Moved away while somebody talks to it: nothing of that goes on to where it led.
    const talk = spawn('ip', ['netns', 'exec', outside.name, 'ping', '-n', '-i', '0.05', '172.32.0.150'], {
      stdio: 'ignore',
    });
    try {
      await sleep(200);
      edge.duties.set(first({ floating: [floatingAddress(at(0xf1), '172.32.0.150', '172.16.1.8')] }));
      await eventually('the move', async () =>
        (await router.must('nft', 'list', 'table', 'inet', 'weft')).includes('dnat ip to 172.16.1.8'),
      );
      await sleep(200);
      const before = [await seven.sent('eth0'), await eight.sent('eth0')] as const;
      await sleep(500);
      expect((await eight.sent('eth0')) - before[1]).toBeGreaterThan(4);
      expect((await seven.sent('eth0')) - before[0]).toBeLessThan(3);
    } finally {
      talk.kill();
    }

    // Flushed, changed, deleted: back within about a second, while the other router loses nothing.
    const steady = spawn('ip', [
      'netns',
      'exec',
      other.name,
      'ping',
      '-n',
      '-i',
      '0.01',
      '-c',
      '150',
      '-W',
      '1',
      INTERNET,
    ]);
    let said = '';
    steady.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
    });
    const ended = new Promise((resolve) => steady.once('close', resolve));
    const table = async (): Promise<string> => (await router.run('nft', 'list', 'table', 'inet', 'weft')).stdout;
    const whole = await table();
    const isWhole = async (): Promise<boolean> => (await table()) === whole;
    await router.must('nft', 'flush', 'ruleset');
    await eventually('a flushed table', isWhole, 1_500);
    await router.must('nft', 'add', 'rule', 'inet', 'weft', 'forward', 'drop');
    await eventually('a rule by hand', isWhole, 1_500);
    await router.must('ip', 'addr', 'del', '172.32.0.150/32', 'dev', `qg-${idOf(at(0x10)).slice(0, 11)}`);
    await host.must('ip', 'netns', 'del', router.name);
    // How soon is the kernel's matter: it takes namespaces apart one after the other.
    await eventually('the namespace', async () => (await router.run('true')).status === 0);
    await eventually('the way out', async () => {
      // The taps of before may still be there for a moment.
      await plug(host);
      return answers(nine, INTERNET);
    });
    await ended;
    expect(said).toMatch(/ 150 received, 0% packet loss/);
  }

  // An agent that comes back finds all as it is.
  const moved = first({
    floating: [floatingAddress(at(0xf1), '172.32.0.150', '172.16.1.8')],
    routes: [staticRoute('10.9.0.0/16', '172.16.2.9')],
  });
  {
    await using edge = await startEdge(host, state.path);
    edge.duties.replace([first({ floating: moved.floating }), second], true);
    await sleep(500);
    expect(edge.duties.operations).toBe(0);
    edge.duties.set(moved);
    await eventually('a static route', async () =>
      (await router.must('ip', 'route')).includes('10.9.0.0/16 via 172.16.2.9'),
    );
    expect(edge.duties.operations).toBe(1);
    edge.duties.replace([second], true);
    await eventually('the end of a router', async () => (await router.run('true')).status !== 0);
    expect((await host.run('ip', 'link', 'show', 'dev', tapOf(0x10))).status).not.toBe(0);
    expect(await answers(other, INTERNET)).toBe(true);
    edge.duties.replace([], true);
    await eventually('the end of the other', async () => (await insideOf(second.routerId).run('true')).status !== 0);
  }
});

test('a router that was left half built, at any step, is finished', async () => {
  await using state = await stateFolder([idOf(at(3))]);
  await using namespaces = new Namespaces();
  const host = await namespaces.add('host');
  const duty = first({ routerId: idOf(at(3)) });
  const wanted = wantedRouter(duty);
  const folder = `${state.path}/routers/${duty.routerId}`;
  const tools = toolsOf(host);
  const signal = AbortSignal.timeout(60_000);
  const look = async () =>
    planRouter(wanted, await observeRouter(tools, wanted.namespace, { folder, withFlows: true }, signal), { folder });
  const whole = await look();
  for (let done = 1; done < whole.length; done += 5) {
    await applySteps(tools, whole.slice(0, done), signal);
    for (let round = 0, steps = await look(); steps.length > 0; round += 1, steps = await look()) {
      expect(round, `after ${done.toString()} steps`).toBeLessThan(2);
      const outcomes = await applySteps(tools, steps, signal);
      expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
    }
    const seen = await observeRouter(
      tools,
      { kind: 'router', id: duty.routerId },
      { folder, withFlows: false },
      signal,
    );
    await applySteps(tools, planRouterRemoval(duty.routerId, seen, folder, 'the test goes on'), signal);
    expect((await host.must('ip', '-br', 'link')).trim().split('\n')).toHaveLength(1);
  }
});

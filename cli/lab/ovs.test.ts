import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { labDown } from './down.ts';
import { labRun } from './exec.ts';
import type { LabTarget } from './exec.ts';
import { vmMove } from './guest-move.ts';
import type { GuestPortSpec } from './guest-port.ts';
import { vmBoot, vmKill, vmList } from './guests.ts';
import { processKill9, processStart, processStop } from './processes.ts';
import { labStatus } from './status.ts';
import { holdersOf, leftovers } from './testing/leftovers.ts';
import { labUp } from './up.ts';

const signal = new AbortController().signal;
const mark = '98004';
const lab = 'wl-sw';
const labs = [lab, 'wl-a', 'wl-b'];

const down = async (): Promise<void> => {
  for (const name of labs) await labDown(name, {}, signal);
};
// A run that was killed may have left them.
beforeAll(down);
afterAll(down);

/** What a command writes there; fails with what it says unless it ends well. */
const output = async (target: LabTarget, ...argv: readonly string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await labRun(target, argv, { deadlineMs: 20_000 }, signal);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} ended with ${exitCode.toString()}: ${stderr}${stdout}`);
  return stdout;
};

const onHost = async (host: string, ...argv: readonly string[]): Promise<string> =>
  await output({ lab, host }, ...argv);

const pings = async (target: LabTarget, address: string, ...options: readonly string[]): Promise<boolean> =>
  (await labRun(target, ['ping', '-n', '-c', '1', '-W', '1', ...options, address], {}, signal)).exitCode === 0;

const nothingIsLeft = (name: string): void => {
  expect([...leftovers(name, mark), ...holdersOf(name)]).toEqual([]);
};

/** h1 has the kernel's bridges, h2 and h3 an Open vSwitch; on each a bridge with a tunnel to the two others, made by hand. */
describe('a lab with Open vSwitch', () => {
  const address = (host: string): string => `192.0.2.1${host.slice(1)}`;

  beforeAll(async () => {
    await labUp({ name: lab, hosts: 3, drivers: ['linuxbridge', 'ovs', 'ovs'] }, signal);
    for (const [host, peer] of [
      ['h2', 'h3'],
      ['h3', 'h2'],
    ] as const) {
      await onHost(
        host,
        ...['ovs-vsctl', 'add-br', 'br-int', '--', 'set', 'Bridge', 'br-int', 'datapath_type=netdev'],
        ...['fail_mode=standalone', 'other_config:mac-aging-time=1'],
        ...tunnel('to-switch', address(peer)),
        ...(host === 'h2' ? tunnel('to-kernel', address('h1')) : []),
      );
    }
    const link = ['ip', 'link', 'add', 'name'];
    await onHost('h1', ...link, 'br0', 'up', 'type', 'bridge', 'forward_delay', '0', 'mcast_snooping', '0');
    const vxlan = ['type', 'vxlan', 'id', '42', 'local', address('h1'), 'remote', address('h2'), 'dstport', '4789'];
    await onHost('h1', ...link, 'vx', 'mtu', '1450', 'master', 'br0', 'up', ...vxlan);
  });

  const tunnel = (name: string, remote: string): readonly string[] => [
    ...['--', 'add-port', 'br-int', name, '--', 'set', 'Interface', name, 'type=vxlan'],
    ...[`options:remote_ip=${remote}`, 'options:key=42'],
  ];

  afterEach(async () => {
    for (const { name } of vmList(lab)) await vmKill({ lab, name }, signal);
  });

  const port = (n: number): GuestPortSpec => ({
    id: `${n.toString().padStart(8, '0')}-0000-4000-8000-00000000abcd`,
    mac: `fa:16:3e:00:00:0${n.toString()}`,
    ips: [{ address: `10.1.0.${n.toString()}`, prefix: 24 }],
    mtu: 1450,
  });

  const boot = async (name: string, host: string, n: number): Promise<string> =>
    (await vmBoot({ lab, host, name, port: port(n) }, signal)).tap;

  /** Sends as much by TCP from one guest to another, and tells how much arrived. */
  const transfer = async (from: string, to: string, at: string, bytes: number): Promise<number> => {
    const arrived = output({ lab, vm: to }, 'sh', '-c', 'timeout 15 nc -l -N 7 </dev/null | wc -c');
    await eventually('nc listens', async () =>
      (await output({ lab, vm: to }, 'cat', '/proc/net/tcp')).includes(':0007 '),
    );
    await output({ lab, vm: from }, 'sh', '-c', `head -c ${bytes.toString()} /dev/zero | timeout 15 nc -N ${at} 7`);
    return Number(await arrived);
  };

  test('says which host has which driver, and runs the switches as processes of the lab', () => {
    const hosts = labStatus(lab).hosts.map(({ driver, processes }) => [
      driver,
      processes.map(({ name, state }) => `${name} ${state}`),
    ]);
    const running = ['ovs-vswitchd running', 'ovsdb-server running'];
    expect(hosts).toEqual([
      ['linuxbridge', []],
      ['ovs', running],
      ['ovs', running],
    ]);
  });

  test('each has a switch of its own, where every tool looks for it', async () => {
    const systemId = ['ovs-vsctl', 'get', 'Open_vSwitch', '.', 'external_ids:system-id'];
    expect((await onHost('h2', ...systemId)).trim()).toBe('h2');
    expect((await onHost('h3', ...systemId)).trim()).toBe('h3');
    expect(await onHost('h2', 'ovs-ofctl', 'show', 'br-underlay')).toContain('(eth0)');
    expect(await onHost('h3', 'ovs-appctl', 'dpif/show')).toContain('netdev@ovs-netdev');
    expect(await onHost('h3', 'ovs-appctl', '--target=ovsdb-server', 'version')).toContain('ovsdb-server');
  });

  test('hosts of either kind reach each other on the underlay, once each time', async () => {
    for (const [from, to] of [
      ['h1', 'h2'],
      ['h2', 'h1'],
      ['h2', 'h3'],
      ['h3', 'h1'],
    ] as const) {
      const said = await onHost(from, 'ping', '-n', '-c', '3', '-i', '0.05', '-W', '1', address(to));
      expect(said).toContain('3 received');
      expect(said).not.toContain('DUP');
    }
    expect(await onHost('h1', 'ip', 'neighbour', 'show', address('h2'))).toContain('02:00:00:00:00:01');
  });

  test('a guest’s tap is plugged in with the marks by which Open vSwitch tells whose it is, and out again', async () => {
    const tap = await boot('a', 'h2', 1);
    const marks = await onHost('h2', 'ovs-vsctl', 'get', 'Interface', tap, 'external_ids');
    expect(marks.trim()).toBe(
      '{attached-mac="fa:16:3e:00:00:01", iface-id="00000001-0000-4000-8000-00000000abcd", iface-status=active, vm-id=a}',
    );
    await vmKill({ lab, name: 'a' }, signal);
    expect(await onHost('h2', 'ovs-vsctl', 'list-ports', 'br-int')).not.toContain(tap);
  });

  test('a host without the bridge of guests refuses them, and keeps nothing of them', async () => {
    await labUp({ name: 'wl-a', hosts: 1, drivers: ['ovs'] }, signal);
    await expect(vmBoot({ lab: 'wl-a', host: 'h1', name: 'a', port: port(1) }, signal)).rejects.toMatchObject({
      code: 'precondition',
      reason: 'NO_INTEGRATION_BRIDGE',
    });
    expect(vmList('wl-a')).toEqual([]);
    await labDown('wl-a', {}, signal);
    nothingIsLeft('wl-a');
  });

  test('guests reach each other through tunnels of two switches: ping, full frames, TCP', async () => {
    await boot('a', 'h2', 1);
    await boot('b', 'h3', 2);
    await eventually('a reaches 10.1.0.2', async () => await pings({ lab, vm: 'a' }, '10.1.0.2'));
    expect(await pings({ lab, vm: 'b' }, '10.1.0.1', '-M', 'do', '-s', '1422')).toBe(true);
    expect(await transfer('a', 'b', '10.1.0.2', 4_000_000)).toBe(4_000_000);
    expect(await transfer('b', 'a', '10.1.0.1', 4_000_000)).toBe(4_000_000);
  });

  test('guests reach each other between a switch and a bridge of the kernel: ping, full frames, TCP', async () => {
    const tap = await boot('a', 'h1', 1);
    await onHost('h1', 'ip', 'link', 'set', 'dev', tap, 'master', 'br0');
    await boot('b', 'h2', 2);
    await eventually('a reaches 10.1.0.2', async () => await pings({ lab, vm: 'a' }, '10.1.0.2'));
    expect(await pings({ lab, vm: 'b' }, '10.1.0.1', '-M', 'do', '-s', '1422')).toBe(true);
    expect(await transfer('a', 'b', '10.1.0.2', 4_000_000)).toBe(4_000_000);
    expect(await transfer('b', 'a', '10.1.0.1', 4_000_000)).toBe(4_000_000);
  });

  test('a guest moves from switch to switch, and TCP still passes', async () => {
    const tap = await boot('a', 'h2', 1);
    await boot('b', 'h2', 2);
    await vmMove({ lab, name: 'a', toHost: 'h3' }, signal);
    expect(await onHost('h2', 'ovs-vsctl', 'list-ports', 'br-int')).not.toContain(tap);
    expect(await onHost('h3', 'ovs-vsctl', 'get', 'Interface', tap, 'external_ids:iface-id')).toContain('00000001-');
    await eventually('b reaches 10.1.0.1', async () => await pings({ lab, vm: 'b' }, '10.1.0.1'));
    expect(await transfer('a', 'b', '10.1.0.2', 1_000_000)).toBe(1_000_000);
  });

  test.each(['kill -9', 'a stop'])(
    'after %s and a start of ovs-vswitchd the underlay and tunnels are back',
    async (how) => {
      await boot('a', 'h2', 1);
      await boot('b', 'h3', 2);
      const ref = { lab, host: 'h2', process: 'ovs-vswitchd' };
      const addresses = ['ip', '-brief', 'address', 'show', 'dev', 'br-underlay'];
      const before = (await onHost('h2', ...addresses)).replace(/^\S+\s+\S+/, '');
      await (how === 'a stop' ? processStop(ref, signal) : processKill9(ref, signal));
      expect(await pings({ lab, host: 'h1' }, address('h2'))).toBe(false);
      await processStart(ref, signal);
      expect(await pings({ lab, host: 'h1' }, address('h2'))).toBe(true);
      expect((await onHost('h2', ...addresses)).replace(/^\S+\s+\S+/, '')).toBe(before);
      await eventually('a reaches 10.1.0.2', async () => await pings({ lab, vm: 'a' }, '10.1.0.2'));
    },
  );

  // ovs-vswitchd lets the userspace datapath rest until it has its database back: frames wait, and are not lost.
  test('after kill -9 and a start of ovsdb-server all it knew is there, and nothing is lost', async () => {
    const ref = { lab, host: 'h2', process: 'ovsdb-server' };
    const pinging = onHost('h1', 'ping', '-n', '-i', '0.05', '-c', '30', '-W', '5', address('h2'));
    await processKill9(ref, signal);
    await processStart(ref, signal);
    expect(await pinging).toContain(' 30 received');
    expect(await onHost('h2', 'ovs-vsctl', 'list-ports', 'br-int')).toContain('to-kernel');
    await onHost('h2', 'ovs-vsctl', '--timeout=5', 'set', 'Port', 'to-kernel', 'external_ids:seen=1');
  });
});

test('an underlay of IPv6 with a larger MTU carries full frames from switch to switch', async () => {
  await labUp({ name: 'wl-a', hosts: 2, drivers: ['ovs'], underlay: 'ipv6', mtu: 9000 }, signal);
  const full = ['-M', 'do', '-s', '8952'];
  expect(await pings({ lab: 'wl-a', host: 'h1' }, '2001:db8:ffff::12', ...full)).toBe(true);
  await processKill9({ lab: 'wl-a', host: 'h2', process: 'ovs-vswitchd' }, signal);
  await processStart({ lab: 'wl-a', host: 'h2', process: 'ovs-vswitchd' }, signal);
  expect(await pings({ lab: 'wl-a', host: 'h1' }, '2001:db8:ffff::12', ...full)).toBe(true);
  await labDown('wl-a', {}, signal);
  nothingIsLeft('wl-a');
});

describe('labDown', () => {
  const maker = join(import.meta.dirname, 'testing', 'lab-maker.fixture.ts');

  // Namespaces 2, hosts 4, underlay 2, then the switches: begun, and each of three.
  test.each([6, 9, 10, 12])('after the maker was killed at its progress %i leaves nothing', async (progress) => {
    const child = spawn(process.execPath, [maker, 'wl-b', mark, progress.toString(), 'ovs'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    await labDown('wl-b', {}, signal);
    nothingIsLeft('wl-b');
  });

  test('takes switches away however they are, and the same lab can be made again', async () => {
    await labUp({ name: 'wl-b', hosts: 2, drivers: ['ovs'] }, signal);
    await expect(labUp({ name: 'wl-b', hosts: 2, drivers: ['ovs'] }, signal)).rejects.toMatchObject({
      reason: 'LAB_EXISTS',
    });
    await processKill9({ lab: 'wl-b', host: 'h1', process: 'ovs-vswitchd' }, signal);
    await processStop({ lab: 'wl-b', host: 'h2', process: 'ovsdb-server' }, signal);
    await labDown('wl-b', {}, signal);
    nothingIsLeft('wl-b');
    await labUp({ name: 'wl-b', hosts: 1, drivers: ['ovs'] }, signal);
    expect(labStatus('wl-b').state).toBe('up');
    await labDown('wl-b', {}, signal);
    nothingIsLeft('wl-b');
  });
});

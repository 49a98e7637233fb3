import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Overlay, OverlayState, type OverlayEvent } from '#proto/weft/agent/v1/overlay.ts';
import { LAB_IMAGE, labDockerImage, labDockerRestart, labDockerUp } from '../../cli/lab/index.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';

const HOSTS = ['h1', 'h2'] as const;
const MTU = 1450;
const signal = AbortSignal.timeout(300_000);

/** With a control plane as well: neither is in the other's way. */
let weft: LabWeft;

const on = async (host: string, ...argv: readonly string[]): Promise<string> =>
  await inPlace({ lab: weft.name, host }, argv, 30_000);

/** Runs a command in the container of a host. */
const within = async (host: string, ...argv: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await tryInPlace(
    { lab: weft.name, host },
    ['docker', 'exec', `c-${host}`, ...argv],
    30_000,
  );
  return stdout + stderr;
};

const other = (host: string): string => (host === 'h1' ? 'h2' : 'h1');

const addressOf = async (host: string): Promise<string> =>
  (await on(host, 'docker', 'inspect', '--format', '{{.NetworkSettings.IPAddress}}', `c-${host}`)).trim();

const half = (host: string) =>
  Overlay.fromJSON({
    name: 'blue',
    bridge_name: 'ovs_sw0',
    addresses: [`10.100.0.${host.slice(1)}/8`],
    peers: [{ remote_address: weft.lab.hosts.find(({ name }) => name === other(host))?.underlayAddress }],
    links: [{ bridge_name: 'docker0' }],
  });

const applied = async (host: string): Promise<readonly string[]> => {
  const overlays = await weft.connections.overlays(host);
  const { results, notes } = await overlays.applyOverlay({ overlay: half(host), validate_only: false });
  expect(results.filter(({ done }) => !done)).toEqual([]);
  expect(notes.join()).toContain(`start dockerd with --mtu ${MTU.toString()}`);
  return results.map(({ operation }) => operation?.command ?? '');
};

const reach = async (): Promise<void> => {
  for (const host of HOSTS) {
    const address = await addressOf(other(host));
    expect(await within(host, 'ping', '-c', '3', '-W', '1', address)).toContain(' 0% packet loss');
    const send = `head -c 200000 /dev/zero | timeout 5 nc ${address} 7 | wc -c`;
    expect(await within(host, 'sh', '-c', send)).toContain('200000');
  }
};

beforeAll(async () => {
  await promisify(execFile)(path.join(import.meta.dirname, '../../infra/setup.sh'), ['docker']);
  weft = await LabWeft.up({ name: 'wso-dock', hosts: 2, drivers: ['ovs'] });
  await Promise.all(
    HOSTS.map(async (host) => {
      const at = { lab: weft.name, host };
      await labDockerUp({ ...at, bip: `10.${host.slice(1)}.0.1/16`, mtu: MTU }, signal);
      await labDockerImage(at, signal);
      await on(
        host,
        'docker',
        'run',
        '--detach',
        '--name',
        `c-${host}`,
        LAB_IMAGE,
        'nc',
        '-ll',
        '-p',
        '7',
        '-e',
        'cat',
      );
      await applied(host);
    }),
  );
}, 180_000);

afterAll(async () => {
  await weft[Symbol.asyncDispose]();
});

describe('containers of two docker hosts, over docker0, veth, Open vSwitch and VXLAN', () => {
  test('of different subnets reach each other by ping and TCP', async () => {
    expect([await addressOf('h1'), await addressOf('h2')]).toEqual([
      expect.stringMatching(/^10\.1\./),
      expect.stringMatching(/^10\.2\./),
    ]);
    await reach();
    for (const host of HOSTS) expect(await applied(host)).toEqual([]);
  });

  test('send full-size packets, and not one byte more, without being cut in pieces', async () => {
    const address = await addressOf('h2');
    const argv = (size: number): readonly string[] => [
      'ping',
      '-n',
      '-q',
      '-c',
      '2',
      '-W',
      '1',
      '-M',
      'do',
      '-s',
      size.toString(),
      address,
    ];
    // The container's ping cannot forbid fragments: the host's runs in the container's network.
    const pid = (await on('h1', 'docker', 'inspect', '--format', '{{.State.Pid}}', 'c-h1')).trim();
    const enter = ['nsenter', '--net', '--target', pid];
    expect(await on('h1', ...enter, ...argv(MTU - 28))).toContain(' 0% packet loss');
    expect((await tryInPlace({ lab: weft.name, host: 'h1' }, [...enter, ...argv(MTU - 27)])).exitCode).not.toBe(0);
  });

  test('reach each other directly too, where docker gives them the whole network: checksums are filled in', async () => {
    const pid = async (host: string): Promise<string> =>
      (await on(host, 'docker', 'inspect', '--format', '{{.State.Pid}}', `c-${host}`)).trim();
    const route = async (verb: string): Promise<void> => {
      for (const host of HOSTS) {
        await on(
          host,
          'nsenter',
          '--net',
          '--target',
          await pid(host),
          'ip',
          'route',
          verb,
          '10.0.0.0/8',
          'dev',
          'eth0',
        );
      }
    };
    await route('add');
    await reach();
    await route('del');
  });

  test('go on after docker has restarted, and after docker0 was made anew', async () => {
    await labDockerRestart({ lab: weft.name, host: 'h1' }, signal);
    await on('h1', 'docker', 'start', 'c-h1');
    await reach();
    const overlays = await weft.connections.overlays('h1');
    expect((await overlays.getOverlay({ name: 'blue' })).status?.drift_repaired).toBe('0');

    await on('h1', 'docker', 'stop', '--time', '0', 'c-h1');
    await on('h1', 'ip', 'link', 'del', 'docker0');
    await labDockerRestart({ lab: weft.name, host: 'h1' }, signal);
    await on('h1', 'docker', 'start', 'c-h1');
    await vi.waitFor(async () => {
      expect((await overlays.getOverlay({ name: 'blue' })).status?.state).toBe(OverlayState.OVERLAY_STATE_READY);
    }, 5_000);
    await reach();
  });

  test('a repair is told of with its trace, which has the commands', async () => {
    const watching = new AbortController();
    const overlays = await weft.connections.overlays('h1');
    const first = (async (): Promise<OverlayEvent | undefined> => {
      for await (const event of overlays.watchOverlays({ name: 'blue' }, { signal: watching.signal })) return event;
      return undefined;
    })();
    await on('h1', 'sleep', '0.1');
    await on('h1', 'ovs-vsctl', 'del-port', 'ovs_sw0', 'vxlan0');
    const event = await first;
    watching.abort();
    expect(event).toMatchObject({ kind: 'EVENT_KIND_DRIFT', overlay_name: 'blue' });
    const traces = await weft.connections.trace();
    await vi.waitFor(async () => {
      const { spans } = await traces.getTrace({ trace_id: event?.trace_id ?? '' });
      expect(spans.map(({ name, host_id }) => `${host_id} ${name}`)).toEqual(['h1 agent.overlay']);
      expect(spans[0]?.commands.join()).toContain('ovs-vsctl add-port ovs_sw0 vxlan0');
    }, 5_000);
  });

  test('what was made for the overlay goes with it, and docker goes on', async () => {
    for (const host of HOSTS) {
      const overlays = await weft.connections.overlays(host);
      const { results } = await overlays.deleteOverlay({ name: 'blue', validate_only: false });
      expect(results.filter(({ done }) => !done)).toEqual([]);
      expect(await on(host, 'ip', '-br', 'link')).not.toMatch(/veth_sw0|veth_d0|ovs_sw0/);
      expect(await within(host, 'ping', '-c', '1', '-W', '1', `10.${host.slice(1)}.0.1`)).toContain(' 0% packet loss');
    }
    expect(await within('h1', 'ping', '-c', '1', '-W', '1', '10.2.0.2')).toContain('100% packet loss');
  });
});

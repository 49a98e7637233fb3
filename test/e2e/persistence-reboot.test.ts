import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { OverlayState } from '#proto/weft/agent/v1/overlay.ts';
import { PersistenceFormat, PersistenceState } from '#proto/weft/agent/v1/persistence.ts';
import { agentStart, agentStop, processStart, processStop } from '../../cli/lab/index.ts';
import { ifcfgBoot } from '../system/ifcfg-boot.ts';
import { startNetworkd, stopNetworkd, udevLink } from '../system/host-daemons.ts';
import { PersistenceLab } from '../system/persistence-lab.ts';

const WITHIN = { timeout: 20_000, interval: 100 };
const H1 = { lab: 'wpe-boot', host: 'h1' };
const NETWORKD = PersistenceFormat.PERSISTENCE_FORMAT_NETWORKD;
const IFCFG = PersistenceFormat.PERSISTENCE_FORMAT_IFCFG;

let lab: PersistenceLab;

beforeAll(async () => {
  lab = await PersistenceLab.up({ name: 'wpe-boot', hosts: 2 });
});

afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await lab.clean();
  await lab.overlay.tryOn('h1', 'ip', 'link', 'del', 'docker0');
});

/** The two-host overlay, with a bridge of docker's on the first host. */
const blue = (host: string) => ({
  name: 'blue',
  bridge_name: 'ovs_sw0',
  addresses: [`10.100.0.${host.slice(1)}/8`],
  peers: [{ remote_address: lab.overlay.address(host === 'h1' ? 'h2' : 'h1') }],
  links: host === 'h1' ? [{ bridge_name: 'docker0' }] : [],
});

/** As dockerd makes it, with nothing in it. */
const docker0 = async (): Promise<void> => {
  // networkd may have made it for the sake of what is in it.
  await lab.overlay.tryOn('h1', 'ip', 'link', 'add', 'docker0', 'type', 'bridge');
  await lab.overlay.on('h1', 'ip', 'addr', 'add', '10.1.0.1/16', 'dev', 'docker0');
  await lab.overlay.on('h1', 'ip', 'link', 'set', 'docker0', 'up');
};

const applied = async (): Promise<void> => {
  await docker0();
  for (const host of ['h1', 'h2']) await lab.overlay.apply(host, blue(host));
};

/** Ends all that a reboot ends: agent, switch, devices. What is in files stays, Open vSwitch' database too. */
const shutDown = async (): Promise<void> => {
  const signal = AbortSignal.timeout(60_000);
  await agentStop(H1, signal);
  for (const process of ['ovs-vswitchd', 'ovsdb-server']) await processStop({ ...H1, process }, signal);
  for (const device of ['ovs_sw0', 'veth_sw0', 'docker0']) await lab.overlay.tryOn('h1', 'ip', 'link', 'del', device);
};

/** What starts first with a host that has Open vSwitch. */
const startSwitch = async (): Promise<void> => {
  const signal = AbortSignal.timeout(60_000);
  for (const process of ['ovsdb-server', 'ovs-vswitchd']) await processStart({ ...H1, process }, signal);
};

const nextConfiguration = async (): Promise<string> =>
  await lab.overlay.on('h1', 'ovs-vsctl', 'get', 'Open_vSwitch', '.', 'next_cfg');

/** Starts the agent, which must not do anything: it makes no device and changes none, and commits nothing to Open vSwitch. */
const adoptedAsIs = async (): Promise<void> => {
  const devices = ['ovs_sw0', 'veth_sw0', 'veth_d0', 'docker0'];
  const kernel = async (): Promise<string> =>
    (await Promise.all(devices.map(async (device) => lab.overlay.on('h1', 'ip', 'addr', 'show', device)))).join('');
  const [before, committed] = [await kernel(), await nextConfiguration()];
  await agentStart(H1, AbortSignal.timeout(60_000));
  await vi.waitFor(async () => {
    const { status } = await lab.overlay.get('h1', 'blue');
    expect(status?.messages).toEqual([]);
    expect(status?.state).toBe(OverlayState.OVERLAY_STATE_READY);
  }, WITHIN);
  expect(await lab.overlay.plan('h1', blue('h1'))).toEqual([]);
  expect(await kernel()).toBe(before);
  expect(await nextConfiguration()).toBe(committed);
};

describe('a reboot of a host with an overlay', () => {
  test('systemd-networkd, udev and Open vSwitch bring it back, and the agent finds nothing to do', async () => {
    await applied();
    await lab.apply('h1', { name: 'blue', format: NETWORKD });
    await lab.isInSync('h1', 'blue');
    const devices = ['ovs_sw0', 'veth_sw0', 'veth_d0'];
    const before = await lab.stateOf('h1', devices);

    await shutDown();
    await startSwitch();
    await startNetworkd(H1);
    try {
      await vi.waitFor(async () => {
        await lab.overlay.on('h1', 'ip', 'link', 'show', 'veth_d0', 'master', 'docker0');
      }, WITHIN);
      for (const device of ['veth_sw0', 'veth_d0']) await udevLink(H1, device);
      await docker0();
      await vi.waitFor(async () => {
        expect(await lab.stateOf('h1', devices)).toEqual(before);
      }, WITHIN);
      await lab.overlay.on('h1', 'ping', '-c', '2', '-W', '5', '10.100.0.2');
      await adoptedAsIs();
      await lab.isInSync('h1', 'blue');
      expect(await lab.apply('h1', { name: 'blue', format: NETWORKD })).toEqual([]);
    } finally {
      await stopNetworkd(H1);
    }
  });

  test('files of the network scripts mean what ran, as far as those scripts can', async () => {
    await docker0();
    for (const host of ['h1', 'h2']) await lab.overlay.apply(host, { ...blue(host), links: [] });
    await lab.apply('h1', { name: 'blue', format: IFCFG });
    const before = await lab.stateOf('h1', ['ovs_sw0']);
    const options = async (): Promise<string> =>
      await lab.overlay.on(
        'h1',
        'ovs-vsctl',
        '--columns=name,type,options,mtu_request',
        'list',
        'Interface',
        'vxlan0',
        'ovs_sw0',
      );
    const marks = async (): Promise<string> =>
      [
        await lab.overlay.on('h1', 'ovs-vsctl', '--columns=name,external_ids', 'list', 'Bridge', 'ovs_sw0'),
        await lab.overlay.on('h1', 'ovs-vsctl', '--columns=name,external_ids,protected', 'list', 'Port', 'vxlan0'),
      ].join('');
    const [running, marked] = [await options(), await marks()];

    const signal = AbortSignal.timeout(60_000);
    await agentStop(H1, signal);
    // As on a host whose database was lost: what the files say is all there is.
    await lab.overlay.on('h1', 'ovs-vsctl', 'del-br', 'ovs_sw0');
    await ifcfgBoot(H1);
    await vi.waitFor(async () => {
      expect(await lab.stateOf('h1', ['ovs_sw0'])).toEqual(before);
    }, WITHIN);
    expect(await options()).toBe(running);
    expect(await marks()).toBe(marked);
    const committed = await nextConfiguration();
    await agentStart(H1, signal);
    await vi.waitFor(async () => {
      expect((await lab.overlay.get('h1', 'blue')).status?.state).toBe(OverlayState.OVERLAY_STATE_READY);
    }, WITHIN);
    expect(await nextConfiguration()).toBe(committed);
    expect(PersistenceState.PERSISTENCE_STATE_IN_SYNC).toBe((await lab.get('h1', 'blue')).state);
  });
});

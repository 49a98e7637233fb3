import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { PersistenceFormat, PersistenceState } from '#proto/weft/agent/v1/persistence.ts';
import { agentKill9, agentStart, agentStop } from '../../cli/lab/index.ts';
import { networkManager } from '../../agents/dataplane/persistence/writers/networkmanager.ts';
import { startNetworkManager, stopNetworkManager } from '../system/host-daemons.ts';
import { PersistenceLab } from '../system/persistence-lab.ts';

const PROFILES = '/etc/NetworkManager/system-connections';
const UNMANAGED = '/etc/NetworkManager/conf.d/zz-weft-blue.conf';
const NM = PersistenceFormat.PERSISTENCE_FORMAT_NETWORK_MANAGER;
const NETWORKD = PersistenceFormat.PERSISTENCE_FORMAT_NETWORKD;
const WITHIN = { timeout: 20_000, interval: 100 };
const HOSTS = ['h1', 'h2'] as const;

let lab: PersistenceLab;

beforeAll(async () => {
  lab = await PersistenceLab.up({ name: 'wpe', hosts: 2 });
  for (const host of HOSTS) await startNetworkManager({ lab: 'wpe', host });
});

afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

afterEach(async () => {
  await lab.clean();
});

const on = async (...argv: readonly string[]): Promise<string> => await lab.overlay.on('h1', ...argv);

const write = async (path: string, text: string): Promise<void> => {
  await on('install', '-D', '-m', '600', '/dev/null', path);
  await on('sh', '-c', 'printf %s "$1" > "$2"', 'sh', text, path);
};

const files = async (...folders: readonly string[]): Promise<readonly string[]> =>
  (await lab.overlay.tryOn('h1', 'find', ...folders, '-type', 'f')).stdout
    .split('\n')
    .filter((each) => each !== '')
    .sort();

/** A Linux bridge with a VXLAN tunnel to the other host in it, and a veth pair. */
const green = (host: string) => ({
  bridges: [{ name: 'br9', addresses: [`10.9.0.${host.slice(1)}/24`], mtu: 1400 }],
  vxlans: [
    {
      ...{ name: 'vx9', vni: 9, mtu: 1400, bridge_name: 'br9' },
      local_address: lab.overlay.address(host),
      remote_address: lab.overlay.address(host === 'h1' ? 'h2' : 'h1'),
    },
  ],
  veths: [{ name: 'v9a', peer_name: 'v9b', mtu: 1400, bridge_name: 'br9' }],
});

const blue = (...addresses: readonly string[]) => ({
  name: 'blue',
  bridge_name: 'ovs_sw0',
  addresses,
  peers: [{ remote_address: lab.overlay.address('h2') }],
});

describe('devices that NetworkManager keeps', () => {
  const DEVICES = ['br9', 'vx9', 'v9a', 'v9b'];
  const indexes = async (): Promise<readonly string[]> =>
    await Promise.all(DEVICES.map(async (device) => on('cat', `/sys/class/net/${device}/ifindex`)));
  const request = (host: string) => ({ name: 'green', format: NM, devices: green(host) });

  test('come up, carry traffic, and come back after a reboot by NetworkManager alone', async () => {
    for (const host of HOSTS) await lab.apply(host, request(host));
    const mode = /^-rw------- 1 root root .* weft-green-bridge-br9\.nmconnection$/m;
    expect(await on('ls', '-l', PROFILES)).toMatch(mode);
    await on('ping', '-c', '2', '-W', '5', '10.9.0.2');
    for (const host of HOSTS) {
      await lab.isInSync(host, 'green');
      expect(await lab.apply(host, request(host))).toEqual([]);
    }
    const before = await lab.stateOf('h1', DEVICES);
    expect(before).toMatchObject([
      { ifname: 'br9', kind: 'bridge', mtu: 1400, addresses: ['10.9.0.1/24'], up: true, stp: 0 },
      { ifname: 'v9a', kind: 'veth', mtu: 1400, master: 'br9', link: 'v9b', up: true },
      { ifname: 'v9b', kind: 'veth', mtu: 1400, link: 'v9a', up: true },
      { ifname: 'vx9', kind: 'vxlan', mtu: 1400, master: 'br9', id: 9, port: 4789, up: true },
    ]);

    const signal = AbortSignal.timeout(60_000);
    await agentStop({ lab: 'wpe', host: 'h1' }, signal);
    await stopNetworkManager({ lab: 'wpe', host: 'h1' });
    for (const device of ['br9', 'vx9', 'v9a']) await on('ip', 'link', 'del', device);
    await on('sh', '-c', 'rm -rf /run/NetworkManager/*');
    await startNetworkManager({ lab: 'wpe', host: 'h1' });
    await vi.waitFor(async () => {
      expect(await lab.stateOf('h1', DEVICES)).toEqual(before);
    }, WITHIN);
    await on('ping', '-c', '2', '-W', '5', '10.9.0.2');

    const made = await indexes();
    await agentStart({ lab: 'wpe', host: 'h1' }, signal);
    await lab.isInSync('h1', 'green');
    expect(await lab.apply('h1', request('h1'))).toEqual([]);
    expect(await indexes()).toEqual(made);
  });

  test('are mended when somebody meddles, and go with their profiles', async () => {
    await lab.apply('h1', request('h1'));
    const path = `${PROFILES}/weft-green-vxlan-vx9.nmconnection`;
    await on('chmod', '644', path);
    await on('sed', '-i', 's/^destination-port=4789$/destination-port=8472/', path);
    await on('ip', 'link', 'set', 'br9', 'down');
    await on('ip', 'link', 'set', 'v9b', 'mtu', '1300');
    const { state, differences } = await lab.get('h1', 'green');
    expect(state).toBe(PersistenceState.PERSISTENCE_STATE_DRIFT);
    expect(differences).toEqual([
      { subject: path, difference: 'has mode 0644, not 0600' },
      { subject: path, difference: 'lacks [vxlan] destination-port=4789' },
      { subject: path, difference: 'has [vxlan] destination-port=8472' },
      { subject: 'br9', difference: 'is down' },
      { subject: 'v9b', difference: 'has MTU 1300, not 1400' },
    ]);
    await lab.apply('h1', request('h1'));
    await lab.isInSync('h1', 'green');
    expect(await on('ip', '-details', 'link', 'show', 'vx9')).toContain('dstport 4789');

    await lab.apply('h1', { ...request('h1'), devices: { ...green('h1'), veths: [] } });
    expect(await lab.stateOf('h1', ['v9a', 'v9b'])).toEqual([]);
    await lab.delete('h1', 'green');
    expect(await lab.stateOf('h1', DEVICES)).toEqual([]);
    expect(await files(PROFILES)).toEqual([]);
    await expect(lab.get('h1', 'green')).rejects.toThrow(/persistence "green" does not exist/);
  });

  test('are not written while a file of somebody else configures one of them; that is left as it is', async () => {
    const path = `${PROFILES}/office.nmconnection`;
    const text =
      '[connection]\nid=office\nuuid=5cc31ab7-c26d-48b6-89f2-a7c933d53cb8\ntype=bridge\ninterface-name=br9\n';
    await write(path, text);
    try {
      const refused = { reason: 'PERSISTENCE_CONFLICT', message: expect.stringContaining(path) as string };
      await expect(lab.tryApply('h1', request('h1'))).rejects.toMatchObject(refused);
      expect(await files(PROFILES)).toEqual([path]);
      expect(await lab.stateOf('h1', DEVICES)).toEqual([]);
      await lab.apply('h1', { name: 'red', format: NM, devices: { bridges: [{ name: 'br8' }] } });
      await lab.delete('h1', 'red');
      expect(await on('cat', path)).toBe(text);
    } finally {
      await on('rm', path);
    }
  });

  test('are as what a person types to nmcli instead', async () => {
    await lab.overlay.apply('h1', blue('10.100.0.1/8', 'fd00::1/64'));
    const devices = {
      ...green('h1'),
      nics: [
        { name: 'eth7', mac_address: '00:0c:29:62:f9:d3', bridge_name: 'ovs_sw0' },
        { name: 'eth8', mac_address: '00:0c:29:62:f9:d4', bridge_name: 'br9', mtu: 1500 },
      ],
    };
    const { persistence } = await lab.tryApply('h1', { name: 'blue', format: NM, devices }, true);
    // nmcli takes the kind of bridge from the device, and that of the userspace datapath is a tap.
    await lab.overlay.delete('h1', 'blue');
    const commands = persistence.flatMap((each) => each.commands).filter((command) => command.startsWith('nmcli '));
    expect(commands.slice(0, 2)).toEqual([
      'nmcli conn add type ovs-bridge conn.interface ovs_sw0 ovs-bridge.datapath-type netdev',
      'nmcli conn add type ovs-port conn.interface ovs_sw0 master ovs_sw0',
    ]);
    // Not of its name, its id and its marks, which nmcli cannot give.
    const settings = (text: string): readonly string[] =>
      networkManager
        .readBack(text)
        .filter(({ section, key }) => !['user', 'ovs-external-ids'].includes(section) && !['id', 'uuid'].includes(key))
        .map(({ section, key, value }) => `[${section}] ${key}=${value}`)
        .sort();
    const wanted = persistence.flatMap((each) => each.files).filter(({ path }) => path.startsWith(PROFILES));
    expect(wanted).toHaveLength(commands.length);
    for (const [at, command] of commands.entries()) {
      const said = await on(...command.split(' '), 'autoconnect', 'no');
      const uuid = /\((?<uuid>[0-9a-f-]{36})\)/.exec(said)?.groups?.['uuid'] ?? '';
      const path = (await on('grep', '-rl', uuid, PROFILES)).trim();
      const typed = settings(await on('cat', path)).filter((each) => each !== '[connection] autoconnect=false');
      await on('nmcli', 'connection', 'delete', 'uuid', uuid);
      expect(typed, command).toEqual(settings(wanted[at]?.content ?? ''));
    }
  });
});

describe('an overlay', () => {
  test('is stored by NetworkManager under one name thrice, and followed through its life', async () => {
    await lab.overlay.apply('h1', blue('10.100.0.1/8'));
    await lab.apply('h1', { name: 'blue', format: NM });
    const fields = 'connection.type,connection.interface-name,connection.master,connection.slave-type,ipv4.addresses';
    const stored = async (type: string): Promise<readonly string[]> =>
      (await on('nmcli', '-g', fields, 'connection', 'show', `weft-blue-${type}-ovs_sw0`)).trimEnd().split('\n');
    expect(await stored('ovs-bridge')).toEqual(['ovs-bridge', 'ovs_sw0']);
    expect(await stored('ovs-port')).toEqual(['ovs-port', 'ovs_sw0', 'ovs_sw0', 'ovs-bridge']);
    expect(await stored('ovs-interface')).toEqual(['ovs-interface', 'ovs_sw0', 'ovs_sw0', 'ovs-port', '10.100.0.1/8']);
    await lab.isInSync('h1', 'blue');

    await lab.overlay.apply('h1', blue('10.100.0.7/8'));
    await vi.waitFor(async () => {
      expect(await stored('ovs-interface')).toContain('10.100.0.7/8');
    }, WITHIN);
    await agentKill9({ lab: 'wpe', host: 'h1' }, AbortSignal.timeout(10_000));
    await on('rm', `${PROFILES}/weft-blue-ovs-port-ovs_sw0.nmconnection`);
    await agentStart({ lab: 'wpe', host: 'h1' }, AbortSignal.timeout(60_000));
    await vi.waitFor(async () => {
      await lab.isInSync('h1', 'blue');
    }, WITHIN);

    await lab.overlay.delete('h1', 'blue');
    await vi.waitFor(async () => {
      expect(await files('/etc/NetworkManager/system-connections', '/etc/systemd/network')).toEqual([]);
      await expect(lab.get('h1', 'blue')).rejects.toThrow(/does not exist/);
    }, WITHIN);
  });

  test('is left alone by NetworkManager while somebody else keeps it, and no longer', async () => {
    await lab.overlay.apply('h1', blue('10.100.0.1/8'));
    await lab.apply('h1', { name: 'blue', format: NETWORKD });
    expect(await on('cat', UNMANAGED)).toContain('unmanaged-devices+=interface-name:=ovs_sw0\n');
    const state = async (): Promise<string> =>
      (await on('nmcli', '-g', 'GENERAL.STATE,GENERAL.REASON', 'device', 'show', 'ovs_sw0')).trim();
    await vi.waitFor(async () => {
      expect(await state()).toMatch(/unmanaged/);
    }, WITHIN);
    const config = await on('NetworkManager', '--print-config');
    expect(config).toContain('interface-name:=ovs_sw0');

    await lab.apply('h1', { name: 'blue', format: NM });
    expect(await files('/etc/NetworkManager/conf.d', '/etc/systemd/network')).toEqual([]);
    expect(await files(PROFILES)).toHaveLength(3);
    await lab.delete('h1', 'blue');
    expect(await files(PROFILES)).toEqual([]);
    expect((await lab.overlay.get('h1', 'blue')).status?.messages).toEqual([]);
  });

  test('is refused in a format that cannot keep what goes into it, before anything is done', async () => {
    await lab.overlay.apply('h1', blue('10.100.0.1/8'));
    const devices = { nics: [{ name: 'eth7', mac_address: '00:0c:29:62:f9:d3', bridge_name: 'ovs_sw0' }] };
    await expect(lab.tryApply('h1', { name: 'blue', format: NETWORKD, devices })).rejects.toMatchObject({
      reason: 'PERSISTENCE_UNSUPPORTED',
      message: expect.stringContaining('eth7 cannot be kept by networkd') as string,
    });
    await expect(lab.tryApply('h1', { name: 'nobody', format: NM })).rejects.toThrow(/overlay "nobody" does not exist/);
    expect(await files('/etc/NetworkManager', '/etc/systemd/network', '/etc/sysconfig')).toEqual([
      '/etc/NetworkManager/NetworkManager.conf',
    ]);
  });
});

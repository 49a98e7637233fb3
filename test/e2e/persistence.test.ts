import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { DeviceSet, PersistenceFormat, PersistenceState } from '#proto/weft/agent/v1/persistence.ts';
import type { Persistence, PersistenceServiceService } from '#proto/weft/agent/v1/persistence.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import { agentStart, agentStop } from '../../cli/lab/index.ts';
import { Connections } from '../../cli/client/connections.ts';
import { labEndpoints } from '../../cli/client/endpoints.ts';
import { startNetworkManager, stopNetworkManager } from '../system/host-daemons.ts';
import { OverlayLab } from '../system/overlay-lab.ts';

const PROFILES = '/etc/NetworkManager/system-connections';
const NM = PersistenceFormat.PERSISTENCE_FORMAT_NETWORK_MANAGER;

const WITHIN = { timeout: 20_000, interval: 100 };

let lab: OverlayLab;
let connections: Connections;
const clients = new Map<string, RpcClient<typeof PersistenceServiceService>>();

beforeAll(async () => {
  lab = await OverlayLab.up({ name: 'wpe', hosts: 2 });
  connections = new Connections(async () => Promise.resolve(labEndpoints('wpe')));
  for (const host of ['h1', 'h2']) clients.set(host, await connections.persistence(host));
  for (const host of ['h1', 'h2']) await startNetworkManager({ lab: 'wpe', host });
});

afterAll(async () => {
  connections[Symbol.dispose]();
  await lab[Symbol.asyncDispose]();
});

const client = (host: string): RpcClient<typeof PersistenceServiceService> => {
  const found = clients.get(host);
  if (found === undefined) throw new Error(`no host ${host}`);
  return found;
};

/** The commands that were done; fails when one of them did. */
const apply = async (host: string, name: string, devices?: object): Promise<readonly string[]> => {
  const set = devices === undefined ? undefined : DeviceSet.fromJSON(devices);
  const request = { name, format: NM, devices: set, validate_only: false };
  const { results } = await client(host).applyPersistence(request);
  const failed = results.filter(({ done }) => !done);
  if (failed.length > 0) throw new Error(JSON.stringify(failed, undefined, 2));
  return results.map(({ operation }) => operation?.command ?? '');
};

const get = async (host: string, name: string): Promise<Persistence> => await client(host).getPersistence({ name });

const isInSync = async (host: string, name: string): Promise<void> => {
  const { differences, state } = await get(host, name);
  expect(differences).toEqual([]);
  expect(state).toBe(PersistenceState.PERSISTENCE_STATE_IN_SYNC);
};

/** A Linux bridge with a VXLAN tunnel to the other host in it, and a veth pair. */
const green = (host: string) => ({
  bridges: [{ name: 'br9', addresses: [`10.9.0.${host.slice(1)}/24`], mtu: 1400 }],
  vxlans: [
    {
      ...{ name: 'vx9', vni: 9, mtu: 1400, bridge_name: 'br9' },
      local_address: lab.address(host),
      remote_address: lab.address(host === 'h1' ? 'h2' : 'h1'),
    },
  ],
  veths: [{ name: 'v9a', peer_name: 'v9b', mtu: 1400, bridge_name: 'br9' }],
});

type Dumped = Readonly<Record<string, unknown>>;

/** What a reboot must bring back of these devices: all but what the kernel makes up anew. */
const stateOf = async (host: string, devices: readonly string[]): Promise<unknown> => {
  const dumped = JSON.parse(await lab.on(host, 'ip', '-json', '-details', 'addr', 'show')) as Dumped[];
  return dumped
    .filter(({ ifname }) => devices.includes(String(ifname)))
    .map(({ ifname, mtu, master, link, flags, linkinfo, addr_info: addresses }) => {
      const { info_kind: kind, info_data: data } = linkinfo as { info_kind: string; info_data?: Dumped };
      const { id, local, remote, port, stp_state: stp } = data ?? {};
      return {
        ...{ ifname, mtu, master, link, kind, id, local, remote, port, stp },
        up: (flags as string[]).includes('UP'),
        addresses: (addresses as Dumped[])
          .filter(({ scope }) => scope !== 'link')
          .map((each) => `${String(each['local'])}/${String(each['prefixlen'])}`),
      };
    })
    .sort((a, b) => (String(a.ifname) < String(b.ifname) ? -1 : 1));
};

const indexes = async (host: string, devices: readonly string[]): Promise<readonly string[]> =>
  await Promise.all(devices.map(async (device) => lab.on(host, 'cat', `/sys/class/net/${device}/ifindex`)));

describe('devices that NetworkManager keeps', () => {
  const DEVICES = ['br9', 'vx9', 'v9a', 'v9b'];

  afterEach(async () => {
    for (const host of ['h1', 'h2']) {
      for (const { name } of (await client(host).listPersistence({})).persistence) {
        await client(host).deletePersistence({ name, validate_only: false });
      }
    }
  });

  test('come up, carry traffic, and come back after a reboot by NetworkManager alone', async () => {
    for (const host of ['h1', 'h2']) await apply(host, 'green', green(host));
    expect(await lab.on('h1', 'ls', '-l', PROFILES)).toMatch(
      /^-rw------- 1 root root .* weft-green-bridge-br9\.nmconnection$/m,
    );
    await lab.on('h1', 'ping', '-c', '2', '-W', '5', '10.9.0.2');
    for (const host of ['h1', 'h2']) {
      await isInSync(host, 'green');
      expect(await apply(host, 'green', green(host))).toEqual([]);
    }
    const before = await stateOf('h1', DEVICES);
    expect(before).toMatchObject([
      { ifname: 'br9', kind: 'bridge', mtu: 1400, addresses: ['10.9.0.1/24'], up: true, stp: 0 },
      { ifname: 'v9a', kind: 'veth', mtu: 1400, master: 'br9', link: 'v9b', up: true },
      { ifname: 'v9b', kind: 'veth', mtu: 1400, link: 'v9a', up: true },
      { ifname: 'vx9', kind: 'vxlan', mtu: 1400, master: 'br9', id: 9, port: 4789, up: true },
    ]);

    const signal = AbortSignal.timeout(60_000);
    await agentStop({ lab: 'wpe', host: 'h1' }, signal);
    await stopNetworkManager({ lab: 'wpe', host: 'h1' });
    for (const device of ['br9', 'vx9', 'v9a']) await lab.on('h1', 'ip', 'link', 'del', device);
    await lab.on('h1', 'sh', '-c', 'rm -rf /run/NetworkManager/*');
    await startNetworkManager({ lab: 'wpe', host: 'h1' });
    await vi.waitFor(async () => {
      expect(await stateOf('h1', DEVICES)).toEqual(before);
    }, WITHIN);
    await lab.on('h1', 'ping', '-c', '2', '-W', '5', '10.9.0.2');

    const made = await indexes('h1', DEVICES);
    await agentStart({ lab: 'wpe', host: 'h1' }, signal);
    await isInSync('h1', 'green');
    expect(await apply('h1', 'green', green('h1'))).toEqual([]);
    expect(await indexes('h1', DEVICES)).toEqual(made);
  });
});

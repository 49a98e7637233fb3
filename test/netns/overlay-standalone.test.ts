import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { OverlayState } from '#proto/weft/agent/v1/overlay.ts';
import { agentKill9, agentRestart, agentStart, processKill9, processStart, processStop } from '../../cli/lab/index.ts';
import { OverlayLab } from '../system/overlay-lab.ts';

const HOSTS = ['h1', 'h2', 'h3'] as const;
const signal = AbortSignal.timeout(600_000);

let lab: OverlayLab;

beforeAll(async () => {
  lab = await OverlayLab.up({ name: 'wso-net', hosts: 3 });
});

afterAll(async () => {
  await lab[Symbol.asyncDispose]();
});

beforeEach(async () => {
  for (const host of HOSTS) for (const { name } of await lab.list(host)) await lab.delete(host, name);
  for (const host of HOSTS) await lab.tryOn(host, 'ip', 'link', 'del', 'docker0');
});

const docker0 = async (host: string, address = `10.${host.slice(1)}.0.1/16`): Promise<void> => {
  await lab.on(host, 'ip', 'link', 'add', 'docker0', 'type', 'bridge');
  await lab.on(host, 'ip', 'addr', 'add', address, 'dev', 'docker0');
  await lab.on(host, 'ip', 'link', 'set', 'docker0', 'up');
};

/** Looks again until nothing is thrown. */
const soon = async (look: () => Promise<void>): Promise<void> => {
  await vi.waitFor(look, { timeout: 10_000, interval: 20 });
};

/** One host's half of a full mesh of these hosts. */
const mesh = (host: string, hosts: readonly string[], links: readonly string[] = []) => ({
  name: 'blue',
  bridge_name: 'ovs_sw0',
  addresses: [`10.100.0.${host.slice(1)}/8`],
  peers: hosts.filter((other) => other !== host).map((other) => ({ remote_address: lab.address(other) })),
  links: links.map((bridge_name) => ({ bridge_name })),
});

const applyAll = async (hosts: readonly string[], links: readonly string[] = []): Promise<void> => {
  await Promise.all(hosts.map(async (host) => lab.apply(host, mesh(host, hosts, links))));
};

const pings = async (host: string, ...words: readonly string[]): Promise<string> =>
  (await lab.tryOn(host, 'ping', '-n', '-q', '-i', '0.02', '-W', '1', ...words)).stdout;

const isReady = async (host: string): Promise<void> => {
  const { status } = await lab.get(host, 'blue');
  expect(status?.messages).toEqual([]);
  expect(status?.state).toBe(OverlayState.OVERLAY_STATE_READY);
};

/** All that a host has which somebody could have made: what a delete must leave as it was. */
const inventory = async (host: string): Promise<unknown> => {
  const links = JSON.parse(await lab.on(host, 'ip', '-json', '-details', 'addr', 'show')) as Record<string, unknown>[];
  const database = await lab.on(host, 'ovs-vsctl', 'show');
  return { links: links.map(({ ifname, mtu, master, ifalias }) => ({ ifname, mtu, master, ifalias })), database };
};

const nextConfiguration = async (host: string): Promise<string> =>
  lab.on(host, 'ovs-vsctl', 'get', 'Open_vSwitch', '.', 'next_cfg');

describe('the two-host overlay, standing alone', () => {
  test('is made by the commands of the example, carries full-size packets and not one byte more', async () => {
    for (const host of ['h1', 'h2']) await docker0(host);
    const commands = await lab.plan('h1', mesh('h1', ['h1', 'h2'], ['docker0']));
    expect(await lab.list('h1')).toEqual([]);
    const typed = [
      'ovs-vsctl add-br ovs_sw0',
      'ip addr add 10.100.0.1/8 dev ovs_sw0',
      'ip link set dev ovs_sw0 up',
      `ovs-vsctl add-port ovs_sw0 vxlan0 -- set Interface vxlan0 type=vxlan options:remote_ip=${lab.address('h2')}`,
      'ip link add veth_sw0 type veth peer name veth_d0',
      'ovs-vsctl add-port ovs_sw0 veth_sw0',
      'ip link set dev veth_d0 master docker0',
      'ip link set dev veth_sw0 up',
      'ip link set dev veth_d0 up',
    ];
    const shown = commands.filter((command) => typed.some((start) => command.startsWith(start)));
    expect(shown.map((command, at) => command.slice(0, typed[at]?.length))).toEqual(typed);

    // What the dry run says is what makes it: pasted into a shell, and then taken up by the agent without a step.
    await lab.on('h1', 'bash', '-ec', commands.join('\n'));
    expect(await lab.apply('h1', mesh('h1', ['h1', 'h2'], ['docker0']))).toEqual([]);
    await lab.apply('h2', mesh('h2', ['h1', 'h2'], ['docker0']));
    expect(await pings('h1', '-c', '3', '10.100.0.2')).toContain(' 0% packet loss');
    expect(await pings('h1', '-c', '2', '-M', 'do', '-s', '1422', '10.100.0.2')).toContain(' 0% packet loss');
    expect((await lab.tryOn('h1', 'ping', '-c', '1', '-M', 'do', '-s', '1423', '10.100.0.2')).exitCode).not.toBe(0);
    for (const device of ['ovs_sw0', 'veth_sw0', 'veth_d0', 'docker0']) {
      expect(await lab.on('h1', 'cat', `/sys/class/net/${device}/mtu`)).toBe('1450\n');
    }
    expect(await lab.on('h1', 'ethtool', '-k', 'veth_d0')).toContain('tx-checksumming: off');
  });

  test('an edit changes only what differs, and deleting leaves what was there before', async () => {
    await docker0('h1');
    const before = await inventory('h1');
    await lab.apply('h1', mesh('h1', ['h1', 'h2']));
    expect(await lab.apply('h1', mesh('h1', ['h1', 'h2']))).toEqual([]);
    const edited = { ...mesh('h1', ['h1', 'h2', 'h3']), vni: 70, addresses: ['10.100.0.9/8', 'fd00::1/64'] };
    const { length } = await lab.apply('h1', edited);
    expect(length).toBe(6);
    expect(await lab.apply('h1', edited)).toEqual([]);
    expect(await lab.on('h1', 'ovs-vsctl', 'get', 'Interface', 'vxlan0', 'options')).toContain('key="70"');
    const addresses = await lab.on('h1', 'ip', '-br', 'addr', 'show', 'dev', 'ovs_sw0');
    expect(addresses).toContain('10.100.0.9/8');
    expect(addresses).not.toContain('10.100.0.1/8');
    const renamed = { ...edited, bridge_name: 'sw9' };
    await lab.apply('h1', renamed);
    expect(await lab.apply('h1', renamed)).toEqual([]);
    expect(await lab.on('h1', 'ovs-vsctl', 'list-br')).toBe('br-underlay\nsw9\n');
    await lab.delete('h1', 'blue');
    expect(await inventory('h1')).toEqual(before);
    await expect(lab.get('h1', 'blue')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('a device that somebody else put into the bridge stays when the bridge goes', async () => {
    await lab.apply('h1', mesh('h1', ['h1', 'h2']));
    await lab.on('h1', 'ip', 'link', 'add', 'theirs', 'type', 'veth', 'peer', 'name', 'theirs-peer');
    await lab.on('h1', 'ovs-vsctl', 'add-port', 'ovs_sw0', 'theirs');
    await lab.on(
      'h1',
      'ovs-vsctl',
      'add-port',
      'ovs_sw0',
      'gre7',
      '--',
      'set',
      'Interface',
      'gre7',
      'type=gre',
      'options:remote_ip=192.0.2.77',
    );
    await expect(lab.delete('h1', 'blue')).rejects.toThrow('gre7 (gre)');
    await isReady('h1');
    await lab.on('h1', 'ovs-vsctl', 'del-port', 'gre7');
    const { notes } = await (await lab.overlays('h1')).deleteOverlay({ name: 'blue', validate_only: false });
    expect(notes.join()).toContain("theirs is not overlay blue's");
    await lab.on('h1', 'ip', 'link', 'del', 'theirs');
  });

  test('in a full mesh of three no broadcast comes twice, comes back, or goes missing', async () => {
    for (const host of HOSTS) await docker0(host);
    await applyAll(HOSTS, ['docker0']);
    for (const host of HOSTS) {
      for (const device of ['ovs_sw0', 'docker0']) {
        await lab.on(host, 'sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`);
      }
      expect(await pings(host, '-c', '2', '10.100.0.1')).toContain(' 0% packet loss');
    }
    // These frames alone: hosts have something to say of their own now and then, ARP for one.
    const devices = HOSTS.flatMap((host) => ['ovs_sw0', 'docker0'].map((device) => [host, device] as const));
    for (const [host, device] of devices) {
      const hook = `{ type filter hook ingress device ${device} priority 0; }`;
      const chain = `add counter netdev seen ${device}; add chain netdev seen ${device} ${hook}`;
      const rule = `add rule netdev seen ${device} ip daddr 10.255.255.255 counter name ${device}`;
      await lab.on(host, 'nft', `add table netdev seen; ${chain}; ${rule}`);
    }
    const count = async (): Promise<readonly number[]> =>
      await Promise.all(
        devices.map(async ([host, device]) => {
          const text = await lab.on(host, 'nft', 'list', 'counter', 'netdev', 'seen', device);
          return Number(/packets (\d+)/.exec(text)?.[1]);
        }),
      );
    await lab.tryOn('h1', 'ping', '-q', '-b', '-c', '50', '-i', '0.01', '-W', '1', '-I', 'ovs_sw0', '10.255.255.255');
    // The sender's own docker0 hears it through the link; its ovs_sw0 hears itself, as every kernel hears its broadcasts.
    const once = devices.map(() => 50);
    await soon(async () => {
      expect(await count()).toEqual(once);
    });
    // What came back would come now.
    await lab.on('h1', 'sleep', '0.3');
    expect(await count()).toEqual(once);
    for (const host of HOSTS) await lab.on(host, 'nft', 'delete', 'table', 'netdev', 'seen');
    for (const host of HOSTS) {
      expect(await lab.on(host, 'ovs-vsctl', '--columns=protected', 'find', 'Port', 'protected=true')).toHaveLength(
        'protected           : true\n\nprotected           : true\n'.length,
      );
    }
  });

  test('refuses before anything is done: loops, narrow networks, an underlay too small, names of others', async () => {
    await docker0('h1');
    const before = await inventory('h1');
    const refused = async (wish: object): Promise<string> => {
      const error: unknown = await lab
        .apply('h1', { ...mesh('h1', ['h1', 'h2'], ['docker0']), ...wish })
        .catch((thrown: unknown) => thrown);
      expect(await inventory('h1')).toEqual(before);
      expect(await lab.list('h1')).toEqual([]);
      return error instanceof Error ? error.message : JSON.stringify(error);
    };
    expect(await refused({ addresses: ['10.100.0.1/16'] })).toContain(
      "10.100.0.0/16 does not contain docker0's 10.1.0.0/16",
    );
    expect(await refused({ mtu: 1500 })).toContain(
      'need an underlay MTU of 1550 towards 192.0.2.12, br-underlay has 1500',
    );
    expect(await refused({ bridge_name: 'br-underlay' })).toContain("bridge br-underlay exists and is not weft's");
    expect(await refused({ bridge_name: 'docker0', links: [] })).toContain('is no bridge of Open vSwitch but a bridge');
    expect(await refused({ links: [{ bridge_name: 'docker9' }] })).toContain('this host has no bridge docker9');
    expect(await refused({ links: [{ bridge_name: 'eth0' }] })).toContain('eth0 is a veth, not a Linux bridge');
    expect(await refused({ peers: [{ remote_address: lab.address('h1') }] })).toContain(
      'is an address of this host itself',
    );
    expect(await refused({ peers: [{ remote_address: '203.0.113.1' }] })).toContain('no route to 203.0.113.1');
    expect(await refused({ local_address: '203.0.113.1' })).toContain('no interface of this host bears 203.0.113.1');
    await lab.on('h1', 'ip', 'route', 'add', 'default', 'via', lab.address('h3'));
    expect(await refused({ peers: [{ remote_address: '10.9.0.2' }] })).toContain('the tunnel would lead into itself');
    await lab.on('h1', 'ip', 'route', 'del', 'default');
  });

  test('refuses a link that would close a loop, and names the way by which the two are connected', async () => {
    await docker0('h1');
    await lab.apply('h1', mesh('h1', ['h1', 'h2']));
    const steps = [
      'ovs-vsctl --may-exist add-br br-x -- set Bridge br-x datapath_type=netdev',
      'ovs-vsctl add-port ovs_sw0 px -- set Interface px type=patch options:peer=py',
      'ovs-vsctl add-port br-x py -- set Interface py type=patch options:peer=px',
      'ip link add va type veth peer name vb',
      'ovs-vsctl add-port br-x va',
      'ip link set vb master docker0',
    ];
    await lab.on('h1', 'bash', '-ec', steps.join('\n'));
    const wish = mesh('h1', ['h1', 'h2'], ['docker0']);
    await expect(lab.apply('h1', wish)).rejects.toThrow(
      'overlay.links[0].bridge_name: ovs_sw0 and docker0 are connected already: ovs_sw0 - px/py - br-x - va/vb - docker0',
    );
    expect((await lab.tryOn('h1', 'ip', 'link', 'show', 'veth_sw0')).exitCode).not.toBe(0);
    await lab.on(
      'h1',
      'bash',
      '-ec',
      'ip link set vb nomaster; ovs-vsctl del-br br-x; ovs-vsctl del-port px; ip link del va',
    );
    await lab.apply('h1', wish);
    await isReady('h1');
  });
});

describe('an overlay that somebody meddles with', () => {
  test.each([
    ['the tunnel is deleted', ['ovs-vsctl', 'del-port', 'ovs_sw0', 'vxlan0']],
    ['the tunnel leads elsewhere', ['ovs-vsctl', 'set', 'Interface', 'vxlan0', 'options:remote_ip=192.0.2.99']],
    ['the tunnel has a key', ['ovs-vsctl', 'set', 'Interface', 'vxlan0', 'options:key=9']],
    ['the veth leaves docker0', ['ip', 'link', 'set', 'dev', 'veth_d0', 'nomaster']],
    ['the veth leaves the bridge', ['ovs-vsctl', 'del-port', 'ovs_sw0', 'veth_sw0']],
    ['the pair is deleted', ['ip', 'link', 'del', 'dev', 'veth_d0']],
    ['the pair is down', ['ip', 'link', 'set', 'dev', 'veth_sw0', 'down']],
    ["the bridge's device is deleted", ['ip', 'link', 'del', 'dev', 'ovs_sw0']],
    ['the bridge is deleted', ['ovs-vsctl', 'del-br', 'ovs_sw0']],
    ['the address is deleted', ['ip', 'addr', 'del', '10.100.0.1/8', 'dev', 'ovs_sw0']],
    ['the bridge fails secure', ['ovs-vsctl', 'set-fail-mode', 'ovs_sw0', 'secure']],
    ['the MTU differs', ['ip', 'link', 'set', 'dev', 'veth_d0', 'mtu', '1500']],
    ['checksums are left to hardware', ['ethtool', '-K', 'veth_d0', 'tx', 'on']],
  ])('%s: it is right again within a second, and tells of it', async (_, argv) => {
    for (const host of ['h1', 'h2']) await docker0(host);
    await applyAll(['h1', 'h2'], ['docker0']);
    const events: string[] = [];
    const watching = new AbortController();
    const stream = (await lab.overlays('h1')).watchOverlays({ name: 'blue' }, { signal: watching.signal });
    const watch = (async () => {
      for await (const { kind, message, results } of stream) {
        events.push(`${kind} ${message} ${results.map(({ operation }) => operation?.command).join()}`);
      }
    })().catch(() => undefined);
    await lab.on('h1', 'sleep', '0.1');
    await lab.on('h1', ...argv);
    const since = performance.now();
    await soon(async () => {
      expect(events.join('\n')).toContain('EVENT_KIND_REPAIR');
      await isReady('h1');
      expect(await lab.apply('h1', mesh('h1', ['h1', 'h2'], ['docker0']))).toEqual([]);
    });
    expect(performance.now() - since).toBeLessThan(1_500);
    watching.abort();
    await watch;
    expect(await pings('h1', '-c', '3', '10.100.0.2')).not.toContain(' 100% packet loss');
    expect(await pings('h1', '-c', '3', '10.2.0.1')).toContain(' 0% packet loss');
  });

  test('docker0 goes and comes back: the link waits for it and is made again', async () => {
    for (const host of ['h1', 'h2']) await docker0(host);
    await applyAll(['h1', 'h2'], ['docker0']);
    await lab.on('h1', 'ip', 'link', 'del', 'docker0');
    await soon(async () => {
      const { status } = await lab.get('h1', 'blue');
      expect(status?.state).toBe(OverlayState.OVERLAY_STATE_WAITING);
      expect(status?.messages).toEqual(['overlay.links[0].bridge_name: this host has no bridge docker0']);
    });
    await docker0('h1');
    await soon(async () => {
      await isReady('h1');
    });
    expect(await pings('h2', '-c', '3', '10.1.0.1')).toContain(' 0% packet loss');
  });

  test('the MTU follows that of the underlay', async () => {
    await applyAll(['h1', 'h2']);
    await lab.on('h1', 'ip', 'link', 'set', 'dev', 'br-underlay', 'mtu', '1400');
    await soon(async () => {
      expect(await lab.on('h1', 'cat', '/sys/class/net/ovs_sw0/mtu')).toBe('1350\n');
    });
    await lab.on('h1', 'ip', 'link', 'set', 'dev', 'br-underlay', 'mtu', '1500');
    await soon(async () => {
      expect((await lab.get('h1', 'blue')).status?.mtu).toBe(1450);
    });
  });
});

describe('an overlay whose processes die', () => {
  test('a restart of the agent does nothing to the host', async () => {
    for (const host of ['h1', 'h2']) await docker0(host);
    await applyAll(['h1', 'h2'], ['docker0']);
    const before = [await inventory('h1'), await nextConfiguration('h1')];
    await agentKill9({ lab: lab.name, host: 'h1' }, signal);
    await agentStart({ lab: lab.name, host: 'h1' }, signal);
    await soon(async () => {
      await isReady('h1');
    });
    expect([await inventory('h1'), await nextConfiguration('h1')]).toEqual(before);
    expect((await lab.get('h1', 'blue')).status?.drift_repaired).toBe('0');
  });

  test('what changed while the agent was away is repaired when it comes back', async () => {
    await docker0('h1');
    await lab.apply('h1', mesh('h1', ['h1', 'h2'], ['docker0']));
    await agentKill9({ lab: lab.name, host: 'h1' }, signal);
    // What a reboot leaves: the database, and none of the kernel's.
    await lab.on('h1', 'bash', '-ec', 'ip link del veth_sw0; ip addr flush dev ovs_sw0; ip link set ovs_sw0 down');
    await agentStart({ lab: lab.name, host: 'h1' }, signal);
    await soon(async () => {
      await isReady('h1');
      expect(await lab.apply('h1', mesh('h1', ['h1', 'h2'], ['docker0']))).toEqual([]);
    });
  });

  test('kill -9 in the middle of an apply: all of it or none of it, and a delete leaves nothing', async () => {
    await docker0('h1');
    const before = await inventory('h1');
    const wish = mesh('h1', ['h1', 'h2', 'h3'], ['docker0']);
    let [half, none] = [0, 0];
    // On a busy machine an apply begins later: it is killed later and later, until enough were in the middle.
    for (let delayMs = 10; half < 4 && delayMs < 2_000; delayMs = Math.ceil(delayMs * 1.5)) {
      const applying = lab.apply('h1', wish).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await agentKill9({ lab: lab.name, host: 'h1' }, signal);
      await applying;
      await agentStart({ lab: lab.name, host: 'h1' }, signal);
      if ((await lab.list('h1')).length === 0) {
        none += 1;
        expect(await inventory('h1')).toEqual(before);
        continue;
      }
      half += 1;
      await soon(async () => {
        await isReady('h1');
      });
      expect(await lab.apply('h1', wish)).toEqual([]);
      const deleting = lab.delete('h1', 'blue').catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, delayMs / 3));
      await agentKill9({ lab: lab.name, host: 'h1' }, signal);
      await deleting;
      await agentStart({ lab: lab.name, host: 'h1' }, signal);
      await soon(async () => {
        for (const { name } of await lab.list('h1')) await lab.delete('h1', name).catch(() => undefined);
        expect(await lab.list('h1')).toEqual([]);
      });
      expect(await inventory('h1')).toEqual(before);
    }
    expect(half, `${none.toString()} were killed too soon`).toBeGreaterThan(2);
  });

  test('ovs-vswitchd is killed and comes back: the overlay is as before', async () => {
    for (const host of ['h1', 'h2']) await docker0(host);
    await applyAll(['h1', 'h2'], ['docker0']);
    const process = { lab: lab.name, host: 'h1', process: 'ovs-vswitchd' };
    await processKill9(process, signal);
    await processStart(process, signal);
    await soon(async () => {
      await isReady('h1');
      expect(await pings('h1', '-c', '3', '10.2.0.1')).toContain(' 0% packet loss');
    });
  });

  test('while Open vSwitch is away calls say so and what mends it; when it is back all goes on', async () => {
    await lab.apply('h1', mesh('h1', ['h1', 'h2']));
    const process = { lab: lab.name, host: 'h1', process: 'ovsdb-server' };
    await processStop(process, signal);
    await soon(async () => {
      expect((await lab.get('h1', 'blue')).status?.messages.join()).toContain('Open vSwitch does not answer');
    });
    await expect(lab.apply('h1', mesh('h1', ['h1', 'h2']))).rejects.toThrow(
      'Open vSwitch does not answer at /run/openvswitch/db.sock: install it (package openvswitch-switch) or start it',
    );
    await processStart(process, signal);
    await soon(async () => {
      await isReady('h1');
    });
    await agentRestart({ lab: lab.name, host: 'h1' }, signal);
    await soon(async () => {
      await isReady('h1');
    });
  });
});

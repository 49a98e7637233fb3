import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EventKind, type Event } from '#proto/weft/agent/v1/agent.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { tapOf } from '../bench/taps.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { switchFlows } from '../system/switch-tables.ts';
import { ping, tcpCheck, tcpEcho } from '../system/traffic.ts';

const GUESTS = ['g1', 'g2', 'g3'] as const;
/** h1 and h3 listen where old Linux does, h2 where IANA says. */
const UDP_PORTS: Readonly<Record<string, string>> = { h1: '8472', h2: '4789', h3: '8472' };
const FLAGS = ['--report-interval-ms', '1000', '--settle-ms', '300', '--audit-spacing-ms', '1000'];

const addressesOf = (port: Port): readonly string[] => port.fixed_ips.map(({ ip_address }) => ip_address);

describe('a network of hosts of both kinds that listen on different UDP ports', () => {
  const stack = new AsyncDisposableStack();
  const ports = new Map<string, Port>();
  let weft: LabWeft;
  let network: Network;

  beforeAll(async () => {
    weft = stack.use(
      await LabWeft.up({
        name: 'wov-ways',
        hosts: 3,
        drivers: ['linuxbridge', 'ovs', 'ovs'],
        agentFlags: (host) => [...FLAGS, '--udp-port', UDP_PORTS[host] ?? '4789'],
      }),
    );
    // Its guests take addresses of others, and bring stations along.
    network = await weft.network({ name: 'green', port_security_enabled: false });
    await weft.subnet(network, '10.5.0.0/24');
    await weft.subnet(network, '2001:db8:5::/64');
    for (const [at, guest] of GUESTS.entries()) {
      const port = await weft.port(network, { name: guest });
      ports.set(guest, port);
      await weft.boot(guest, `h${(at + 1).toString()}`, port, network);
    }
    await weft.inSync(network.id, 3);
    // The datapath in user space drops what it sends first to a host whose MAC address it does not know yet.
    for (const guest of GUESTS) for (const other of others(guest)) await reaches(guest, address(other, 4));
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const portOf = (guest: string): Port => {
    const found = ports.get(guest);
    if (found === undefined) throw new Error(`no guest ${guest}`);
    return found;
  };
  const others = (guest: string): readonly string[] => GUESTS.filter((other) => other !== guest);
  const address = (guest: string, version: 4 | 6): string =>
    addressesOf(portOf(guest)).find((ip) => ip.includes(':') === (version === 6)) ?? '';
  const inGuest = async (guest: string, ...argv: readonly string[]): Promise<string> =>
    await inPlace({ lab: weft.name, vm: guest }, argv);
  const onHost = async (host: string, ...argv: readonly string[]): Promise<string> =>
    await inPlace({ lab: weft.name, host }, argv);
  const reaches = async (guest: string, to: string): Promise<void> => {
    await eventually(
      `${guest} reaches ${to}`,
      async () => (await ping(weft.name, guest, to, 1)).received === 1,
      10_000,
    );
  };

  test('carries ping and TCP of both versions between every two guests', async () => {
    const servers = GUESTS.map(async (guest) => tcpEcho(weft.name, guest, 12_000));
    await inGuest('g1', 'sleep', '0.7');
    for (const guest of GUESTS) {
      const addresses = others(guest).flatMap((other) => addressesOf(portOf(other)));
      for (const to of addresses) expect(await ping(weft.name, guest, to, 5, 10)).toEqual({ sent: 5, received: 5 });
      expect(await tcpCheck(weft.name, guest, addresses, 1_500_000)).toEqual(
        Object.fromEntries(addresses.map((to) => [to, true])),
      );
    }
    await Promise.all(servers);
  });

  test('has a tunnel for each UDP port on a switch, and sends to each host by its own', async () => {
    for (const [host, peers] of [
      ['h2', { h1: 'vxlan-udp8472', h3: 'vxlan-udp8472' }],
      ['h3', { h1: 'vxlan-udp8472', h2: 'vxlan-udp4789' }],
    ] as const) {
      expect((await onHost(host, 'ovs-vsctl', 'list-ports', 'br-int')).split('\n')).toEqual(
        expect.arrayContaining(['vxlan-udp4789', 'vxlan-udp8472']),
      );
      const flows = await switchFlows(weft.name, host, 'table=unicast');
      for (const [peer, tunnel] of Object.entries(peers)) {
        const { mac_address } = portOf(`g${peer.slice(1)}`);
        expect(flows.find((flow) => flow.includes(`dl_dst=${mac_address}`))).toContain(`output:"${tunnel}"`);
      }
    }
  });

  test('is noticed when somebody takes an address that another has, of either version', async () => {
    for (const [taker, owner] of [
      ['g2', 'g1'],
      ['g2', 'g3'],
      ['g1', 'g2'],
      ['g3', 'g2'],
    ] as const) {
      const [v4, v6] = [address(owner, 4), address(owner, 6)];
      const probe = await tryInPlace({ lab: weft.name, vm: taker }, [
        'arping',
        '-D',
        '-c',
        '2',
        '-w',
        '3',
        '-I',
        'eth0',
        v4,
      ]);
      expect(`${taker} ${owner} ${probe.exitCode.toString()}`).toBe(`${taker} ${owner} 1`);
      // The kernel's VXLAN device answers a question from nowhere to nowhere (vxlan_core.c, vxlan_na_create): not there.
      if (taker === 'g1') continue;
      const detection = ['net.ipv6.conf.eth0.accept_dad=1', 'net.ipv6.conf.eth0.dad_transmits=1'];
      await inGuest(taker, 'sysctl', '-q', '-w', ...detection);
      await inGuest(taker, 'ip', 'address', 'add', `${v6}/64`, 'dev', 'eth0');
      const flags = async (): Promise<string> =>
        await inGuest(taker, 'ip', '-6', '-o', 'address', 'show', 'dev', 'eth0');
      const line = async (): Promise<string> =>
        (await flags()).split('\n').find((each) => each.includes(`${v6}/`)) ?? '';
      await eventually(
        'it is decided',
        async () => !(await line()).includes('tentative') || (await line()).includes('dadfailed'),
        6_000,
      );
      expect(`${taker} ${owner} ${await line()}`).toContain('dadfailed');
      await inGuest(taker, 'ip', 'address', 'del', `${v6}/64`, 'dev', 'eth0');
    }
  });

  test('finds a MAC address that nobody has told of by sending to all', async () => {
    // A station behind g3: a bridge of its own, with a MAC address and an IP address that weft knows nothing of.
    const [mac, ip] = ['02:00:00:00:77:01', '10.5.0.200'];
    await inGuest('g3', 'ip', 'link', 'add', 'station', 'address', mac, 'type', 'bridge', 'forward_delay', '0');
    const own = (await inGuest('g3', 'ip', '-o', '-4', 'address', 'show', 'dev', 'eth0')).trim();
    try {
      await inGuest('g3', 'ip', 'link', 'set', 'eth0', 'master', 'station');
      await inGuest('g3', 'ip', 'link', 'set', 'station', 'up');
      await inGuest('g3', 'ip', 'address', 'add', `${ip}/24`, 'dev', 'station');
      for (const guest of ['g1', 'g2'] as const) {
        const back = ['lladdr', portOf(guest).mac_address, 'dev', 'station', 'nud', 'permanent'];
        await inGuest('g3', 'ip', 'neigh', 'replace', address(guest, 4), ...back);
        await inGuest('g3', 'ip', 'route', 'replace', `${address(guest, 4)}/32`, 'dev', 'station', 'src', ip);
        await inGuest(guest, 'ip', 'neigh', 'replace', ip, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent');
        await reaches(guest, ip);
        expect(await ping(weft.name, guest, ip, 5, 20)).toEqual({ sent: 5, received: 5 });
        await inGuest(guest, 'ip', 'neigh', 'del', ip, 'dev', 'eth0');
      }
      // Between switches the question for its address comes through, too.
      await reaches('g2', ip);
    } finally {
      await inGuest('g3', 'ip', 'link', 'del', 'station');
    }
    expect((await inGuest('g3', 'ip', '-o', '-4', 'address', 'show', 'dev', 'eth0')).trim()).toBe(own);
    await reaches('g2', address('g3', 4));
  });

  test('sends to all also where somebody has told by hand, and no longer once he takes it back', async () => {
    const agent = await weft.connections.agent('h2');
    const vtep_address = '192.0.2.99';
    await agent.addFloodDestination({ network_id: network.id, vtep_address });
    const lists = async (): Promise<string> => (await switchFlows(weft.name, 'h2', 'table=flood')).join('\n');
    expect(await lists()).toContain(`set_field:${vtep_address}->tun_dst,output:"vxlan-udp4789"`);
    expect((await agent.getForwardingTable({ network_id: network.id })).flood).toContain(vtep_address);
    await weft.inSync(network.id, 3);
    expect(await ping(weft.name, 'g2', address('g3', 4), 3, 20)).toEqual({ sent: 3, received: 3 });
    await agent.removeFloodDestination({ network_id: network.id, vtep_address });
    expect(await lists()).not.toContain(vtep_address);
    expect((await agent.getForwardingTable({ network_id: network.id })).flood).toHaveLength(2);
    await weft.inSync(network.id, 3);
  });

  test('tells the same digest whatever a host is, and of each kind what l2pop expects', async () => {
    const { hosts } = await weft.inSync(network.id, 3);
    expect(hosts.map(({ digest, expected_digest }) => digest === expected_digest)).toEqual([true, true, true]);
    const agents = await Promise.all(weft.hosts.map(async (host) => weft.connections.agent(host)));
    const tables = await Promise.all(agents.map(async (agent) => agent.getForwardingTable({ network_id: network.id })));
    const [first, second, third] = tables.map(
      ({ fdb }) => new Map(fdb.map((row) => [row.mac_address, row.vtep_address])),
    );
    const vtep = (host: number): string => weft.lab.hosts[host]?.underlayAddress ?? '';
    expect(first?.get(portOf('g3').mac_address)).toBe(vtep(2));
    expect(second?.get(portOf('g3').mac_address)).toBe(vtep(2));
    expect(second?.get(portOf('g1').mac_address)).toBe(vtep(0));
    expect(third?.get(portOf('g1').mac_address)).toBe(vtep(0));
  });

  describe('a tap that is plugged in as libvirt does it', () => {
    const plug = async (host: string, device: string, port: Port): Promise<void> => {
      await onHost(host, 'ip', 'tuntap', 'add', 'dev', device, 'mode', 'tap');
      await onHost(
        ...([host, 'ovs-vsctl', '--timeout=5', '--', '--if-exists', 'del-port', device] as const),
        ...['--', 'add-port', 'br-int', device, '--', 'set', 'Interface', device],
        ...[`external_ids:attached-mac="${parseMac('mac', port.mac_address)}"`, `external_ids:iface-id="${port.id}"`],
        ...[`external_ids:vm-id="${randomUUID()}"`, 'external_ids:iface-status=active'],
      );
    };
    const boundTo = async (id: string): Promise<string> => (await weft.getPort(id)).binding_host_id;

    test.each(['its port is taken out', 'its device goes, with its guest'])(
      'is bound, and is no more when %s',
      async (how) => {
        const port = await weft.port(network);
        await plug('h2', 'vnet7', port);
        await eventually('it is bound', async () => (await boundTo(port.id)) === 'h2', 5_000);
        await weft.converged(network.id, 4);
        expect((await switchFlows(weft.name, 'h3', 'table=unicast')).join('\n')).toContain(port.mac_address);
        if (how.startsWith('its port')) await onHost('h2', 'ovs-vsctl', 'del-port', 'vnet7');
        else await onHost('h2', 'ip', 'link', 'del', 'vnet7');
        await eventually('it is bound no more', async () => (await boundTo(port.id)) === '', 5_000);
        await weft.converged(network.id, 3);
        await onHost('h2', 'ovs-vsctl', '--if-exists', 'del-port', 'vnet7');
        await tryInPlace({ lab: weft.name, host: 'h2' }, ['ip', 'link', 'del', 'vnet7']);
        await weft.deletePort(port.id);
        await weft.inSync(network.id, 3);
        expect((await switchFlows(weft.name, 'h3')).join('\n')).not.toContain(port.mac_address);
      },
    );

    test('for a port that nobody knows is told of, harms nothing, and is bound once there is such a port', async () => {
      const agent = await weft.connections.agent('h2');
      const events: Event[] = [];
      const watching = new AbortController();
      const watch = (async () => {
        for await (const event of agent.watchEvents({ kinds: [] }, { signal: watching.signal })) events.push(event);
      })().catch(() => undefined);
      await agent.getHostState({});
      const unknown = { ...portOf('g1'), id: randomUUID(), mac_address: 'fa:16:3e:77:00:01' };
      try {
        await plug('h2', 'vnet8', unknown);
        await eventually(
          'it is told of',
          () =>
            events.some(
              ({ kind, device_name }) => kind === EventKind.EVENT_KIND_DEVICE_UNKNOWN && device_name === 'vnet8',
            ),
          5_000,
        );
        expect(await ping(weft.name, 'g2', address('g1', 4), 3, 20)).toEqual({ sent: 3, received: 3 });
        expect((await agent.plan({ network_id: '' })).operations).toEqual([]);
        await weft.port(network, { id: unknown.id, mac_address: unknown.mac_address });
        await eventually('it is bound', async () => (await boundTo(unknown.id)) === 'h2', 10_000);
      } finally {
        watching.abort();
        await watch;
        await onHost('h2', 'ovs-vsctl', '--if-exists', 'del-port', 'vnet8');
        await onHost('h2', 'ip', 'link', 'del', 'vnet8');
      }
      await eventually('it is bound no more', async () => (await boundTo(unknown.id)) === '', 5_000);
      await weft.deletePort(unknown.id);
    });
  });

  test('moves a guest between hosts of either kind without much being lost', async ({ annotate }) => {
    const moves = ['h2', 'h3', 'h1', 'h3', 'h2', 'h1'];
    const lost: string[] = [];
    let from = 'h1';
    for (const to of moves) {
      const watcher = to === 'h3' || from === 'h3' ? 'g2' : 'g3';
      await reaches(watcher, address('g1', 4));
      const pings = ping(weft.name, watcher, address('g1', 4), 400, 5);
      await weft.move('g1', to);
      const { sent, received } = await pings;
      lost.push(`${from} → ${to}: ${(sent - received).toString()}`);
      expect(sent - received).toBeLessThanOrEqual(20);
      await weft.inSync(network.id, 3);
      expect((await weft.getPort(portOf('g1').id)).binding_host_id).toBe(to);
      from = to;
    }
    await annotate(`of 400 pings, 5 ms apart, were lost: ${lost.join(', ')}`);
    expect(await onHost('h2', 'ovs-vsctl', 'list-ports', 'br-int')).not.toContain(tapOf(portOf('g1').id));
  });
});

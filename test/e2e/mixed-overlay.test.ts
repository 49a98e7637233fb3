import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping, tcpCheck, tcpEcho } from '../system/traffic.ts';

const GUESTS = ['g1', 'g2', 'g3'] as const;
const MEGABYTE = 1_000_000;

const addressesOf = (port: Port): readonly string[] => port.fixed_ips.map(({ ip_address }) => ip_address);

describe('hosts with Linux bridges and hosts with Open vSwitch in one network', () => {
  const stack = new AsyncDisposableStack();
  const ports = new Map<string, Port>();
  let weft: LabWeft;
  let network: Network;

  beforeAll(async () => {
    weft = stack.use(await LabWeft.up({ name: 'e2e-mixed', hosts: 3, drivers: ['linuxbridge', 'ovs', 'ovs'] }));
    network = await weft.network({ name: 'green' });
    await weft.subnet(network, '10.5.0.0/24');
    await weft.subnet(network, '2001:db8:5::/64');
    for (const [at, guest] of GUESTS.entries()) {
      const port = await weft.port(network, { name: guest });
      ports.set(guest, port);
      await weft.boot(guest, `h${(at + 1).toString()}`, port, network);
    }
    await weft.inSync(network.id, 3);
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const port = (guest: string): Port => {
    const found = ports.get(guest);
    if (found === undefined) throw new Error(`no guest ${guest}`);
    return found;
  };
  const others = (guest: string): readonly (typeof GUESTS)[number][] => GUESTS.filter((other) => other !== guest);
  const flows = async (host: string, table: string): Promise<string> =>
    await inPlace({ lab: weft.name, host }, [
      ...['ovs-ofctl', '-O', 'OpenFlow15', '--names', '--no-stats', 'dump-flows', 'br-int', `table=${table}`],
    ]);

  test('carries IPv4 and IPv6, ping and TCP, between every two guests', async () => {
    const servers = GUESTS.map(async (guest) => tcpEcho(weft.name, guest, 12_000));
    await inPlace({ lab: weft.name, vm: 'g1' }, ['sleep', '0.7']);
    for (const guest of GUESTS) {
      const addresses = others(guest).flatMap((other) => addressesOf(port(other)));
      for (const address of addresses) {
        // The datapath in user space drops what it sends first to a host whose MAC address it does not know yet.
        await eventually('the way is known', async () => (await ping(weft.name, guest, address, 1)).received === 1);
        expect(await ping(weft.name, guest, address, 5, 10)).toEqual({ sent: 5, received: 5 });
      }
      expect(await tcpCheck(weft.name, guest, addresses, MEGABYTE)).toEqual(
        Object.fromEntries(addresses.map((address) => [address, true])),
      );
    }
    await Promise.all(servers);
  });

  test('passes a full-size packet that may not be fragmented, and not one byte more', async () => {
    for (const [from, to] of [
      ['g1', 'g2'],
      ['g2', 'g3'],
      ['g3', 'g1'],
    ] as const) {
      const at = { lab: weft.name, vm: from };
      const [target = ''] = addressesOf(port(to));
      const withPayload = (bytes: number): readonly string[] => [
        ...['ping', '-c', '1', '-W', '2', '-M', 'do', '-s', bytes.toString(), target],
      ];
      await inPlace(at, withPayload(network.mtu - 28));
      expect((await tryInPlace(at, withPayload(network.mtu - 27))).exitCode).not.toBe(0);
    }
  });

  test('floods a broadcast to every other guest, once', async () => {
    const received = async (guest: string): Promise<number> => {
      const text = await inPlace({ lab: weft.name, vm: guest }, ['cat', '/proc/net/snmp']);
      const [names = '', values = ''] = text
        .split('\n')
        .filter((line) => line.startsWith('IcmpMsg:') || line.startsWith('Icmp:'));
      return Number(values.split(' ')[names.split(' ').indexOf('InEchos')] ?? 0);
    };
    for (const guest of GUESTS) {
      const sysctl = ['sysctl', '-q', '-w', 'net.ipv4.icmp_echo_ignore_broadcasts=0'];
      await inPlace({ lab: weft.name, vm: guest }, sysctl);
    }
    for (const guest of GUESTS) {
      const before = new Map<string, number>();
      for (const other of others(guest)) before.set(other, await received(other));
      await tryInPlace({ lab: weft.name, vm: guest }, [
        'ping',
        '-b',
        '-c',
        '10',
        '-i',
        '0.02',
        '-W',
        '1',
        '10.5.0.255',
      ]);
      const counted = async (): Promise<readonly number[]> =>
        await Promise.all(others(guest).map(async (other) => (await received(other)) - (before.get(other) ?? 0)));
      // The last one may still be on its way when `ping` ends; a copy too many would come right behind it.
      await eventually('all have come', async () => (await counted()).every((count) => count >= 10));
      await inPlace({ lab: weft.name, vm: guest }, ['sleep', '0.2']);
      expect(await counted()).toEqual([10, 10]);
    }
  });

  test('answers ARP and neighbour solicitations on the host: none reaches another guest', async () => {
    const counter = async (guest: string): Promise<number> => {
      const text = await inPlace({ lab: weft.name, vm: guest }, ['ip', '-s', '-json', 'link', 'show', 'dev', 'eth0']);
      return Number(/"rx":\{"bytes":\d+,"packets":(?<packets>\d+)/.exec(text)?.groups?.['packets'] ?? -1);
    };
    await inPlace({ lab: weft.name, vm: 'g2' }, ['ip', 'neigh', 'flush', 'all']);
    const before = await counter('g3');
    for (const address of addressesOf(port('g1'))) expect((await ping(weft.name, 'g2', address, 1)).received).toBe(1);
    expect(await counter('g3')).toBe(before);
  });

  test('tells what it holds alike, whatever holds it', async () => {
    const tables = await Promise.all(
      weft.hosts.map(async (host) =>
        (await weft.connections.agent(host)).getForwardingTable({ network_id: network.id }),
      ),
    );
    for (const [at, table] of tables.entries()) {
      const [self = ''] = GUESTS.slice(at, at + 1);
      const remote = table.fdb.filter(({ vtep_address }) => vtep_address !== '').map(({ mac_address }) => mac_address);
      expect(remote.sort()).toEqual(
        others(self)
          .map((other) => port(other).mac_address)
          .sort(),
      );
      expect(table.flood).toHaveLength(2);
      expect(table.neighbours.map(({ ip_address }) => ip_address).sort()).toEqual(
        others(self)
          .flatMap((other) => addressesOf(port(other)))
          .sort(),
      );
    }
  });

  test('moves a guest between the two kinds, there and back', async () => {
    const [target = ''] = addressesOf(port('g1'));
    const moving = ping(weft.name, 'g3', target, 600, 5);
    await weft.move('g1', 'h2');
    const { sent, received } = await moving;
    expect(sent - received).toBeLessThanOrEqual(30);
    await weft.inSync(network.id, 3);
    expect((await weft.getPort(port('g1').id)).binding_host_id).toBe('h2');
    await weft.move('g1', 'h1');
    await weft.inSync(network.id, 3);
    expect(await ping(weft.name, 'g2', target, 3, 20)).toEqual({ sent: 3, received: 3 });
  });

  test('sees a port that comes by the switch database alone, and sees it go', async () => {
    const made = await weft.port(network, { name: 'by-database' });
    const at = { lab: weft.name, host: 'h3' };
    const device = 'foo0';
    const vm = '5c1c0c3a-0000-4000-8000-00000000000a';
    await inPlace(at, [
      ...['ovs-vsctl', 'add-port', 'br-int', device, '--', 'set', 'Interface', device, 'type=internal'],
      ...[`external_ids:iface-id=${made.id}`, `external_ids:attached-mac=${made.mac_address}`],
      `external_ids:vm-id=${vm}`,
    ]);
    await eventually('it is bound', async () => (await weft.getPort(made.id)).binding_host_id === 'h3');
    await weft.inSync(network.id, 4);
    expect((await weft.getPort(made.id)).device_id).toBe(vm);
    expect(await flows('h2', 'unicast')).toContain(made.mac_address);
    expect(await flows('h3', 'unicast')).toContain(device);
    await inPlace(at, ['ovs-vsctl', 'del-port', 'br-int', device]);
    await eventually('it is bound no more', async () => (await weft.getPort(made.id)).binding_host_id === '');
    await weft.inSync(network.id, 3);
    expect(await flows('h2', 'unicast')).not.toContain(made.mac_address);
  });

  test('takes everything back when ports go: switch by switch to what all networks share', async () => {
    for (const guest of GUESTS) {
      await weft.kill(guest);
      await weft.deletePort(port(guest).id);
    }
    for (const host of ['h2', 'h3']) {
      await eventually('no flow of a network is left', async () => {
        const dump = ['ovs-ofctl', '-O', 'OpenFlow15', '--no-stats', 'dump-flows', 'br-int'];
        const text = await inPlace({ lab: weft.name, host }, dump);
        return !/cookie=0x77656674(?!00000000)/.test(text);
      });
      expect(await inPlace({ lab: weft.name, host }, ['ovs-vsctl', 'list-ports', 'br-int'])).toBe('vxlan-udp4789\n');
    }
  });
});

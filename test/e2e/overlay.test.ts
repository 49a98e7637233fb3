import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { deviceNames, inPlace, kernelTables } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping, tcpCheck, tcpEcho } from '../system/traffic.ts';

const addressesOf = (port: Port): readonly string[] => port.fixed_ips.map(({ ip_address }) => ip_address);

describe.each(['ipv4', 'ipv6'] as const)('an overlay over %s', (underlay) => {
  let lab: LabWeft;
  let network: Network;
  let vxlan: string;
  const ports = new Map<string, Port>();
  const guests = ['g1', 'g2', 'g3'] as const;

  beforeAll(async () => {
    lab = await LabWeft.up({ name: `e2e-${underlay}`, hosts: 3, underlay });
    network = await lab.network({ name: 'green' });
    await lab.subnet(network, '10.5.0.0/24');
    await lab.subnet(network, '2001:db8:5::/64');
    vxlan = `vxlan-${network.segmentation_id.toString()}`;
    for (const [index, guest] of guests.entries()) {
      const port = await lab.port(network, { name: guest });
      ports.set(guest, port);
      await lab.boot(guest, `h${(index + 1).toString()}`, port, network);
    }
    await lab.converged(network.id, 3);
  });

  afterAll(async () => {
    await lab.down();
  });

  const port = (guest: string): Port => {
    const found = ports.get(guest);
    if (found === undefined) throw new Error(`no guest ${guest}`);
    return found;
  };

  test('carries IPv4 and IPv6, ping and TCP, between every two guests', async () => {
    const servers = guests.map(async (guest) => tcpEcho(lab.name, guest, 5_000));
    await inPlace({ lab: lab.name, vm: 'g1' }, ['sleep', '0.7']);
    for (const guest of guests) {
      const others = guests.filter((other) => other !== guest).flatMap((other) => addressesOf(port(other)));
      for (const address of others)
        expect(await ping(lab.name, guest, address, 3, 10)).toEqual({ sent: 3, received: 3 });
      expect(await tcpCheck(lab.name, guest, others)).toEqual(
        Object.fromEntries(others.map((address) => [address, true])),
      );
    }
    await Promise.all(servers);
  });

  test('passes a full-size packet that may not be fragmented, and not one byte more', async () => {
    const [target = ''] = addressesOf(port('g2'));
    const payload = network.mtu - 28;
    const at = { lab: lab.name, vm: 'g1' };
    await inPlace(at, ['ping', '-c', '1', '-W', '2', '-M', 'do', '-s', payload.toString(), target]);
    await expect(
      inPlace(at, ['ping', '-c', '1', '-W', '1', '-M', 'do', '-s', (payload + 1).toString(), target]),
    ).rejects.toThrow();
    expect(network.mtu).toBe(underlay === 'ipv4' ? 1450 : 1430);
  });

  test('answers ARP and neighbour solicitations on the host: none reaches another guest', async () => {
    const counter = async (guest: string): Promise<number> => {
      const rules = await inPlace({ lab: lab.name, vm: guest }, ['ip', '-s', '-json', 'link', 'show', 'dev', 'eth0']);
      return Number(/"rx":\{"bytes":\d+,"packets":(?<packets>\d+)/.exec(rules)?.groups?.['packets'] ?? -1);
    };
    await inPlace({ lab: lab.name, vm: 'g1' }, ['ip', 'neigh', 'flush', 'all']);
    const before = await counter('g3');
    for (const address of addressesOf(port('g2'))) expect((await ping(lab.name, 'g1', address, 1)).received).toBe(1);
    expect(await counter('g3')).toBe(before);
  });

  test('programs every kernel with exactly the rows of the other hosts', async () => {
    await lab.inSync(network.id, 3);
    for (const [index, host] of lab.hosts.entries()) {
      const tables = await kernelTables(lab.name, host, vxlan);
      const remote = guests.filter((_, at) => at !== index);
      const vtepOf = (guest: string): string =>
        lab.lab.hosts[guests.findIndex((each) => each === guest)]?.underlayAddress ?? '';
      expect(tables.fdb).toEqual(new Map(remote.map((guest) => [port(guest).mac_address, vtepOf(guest)])));
      expect(tables.neighbours).toEqual(
        new Map(
          remote.flatMap((guest) => addressesOf(port(guest)).map((address) => [address, port(guest).mac_address])),
        ),
      );
      expect(tables.flood).toEqual(remote.map(vtepOf).sort());
    }
  });

  test('moves a guest: every host sends to the new place, and its addresses stay', async () => {
    const moving = ping(lab.name, 'g2', addressesOf(port('g1'))[0] ?? '', 500, 5);
    await lab.move('g1', 'h3');
    const { sent, received } = await moving;
    expect(sent - received).toBeLessThanOrEqual(10);
    await lab.inSync(network.id, 3);
    expect((await lab.getPort(port('g1').id)).binding_host_id).toBe('h3');
    expect((await kernelTables(lab.name, 'h2', vxlan)).fdb.get(port('g1').mac_address)).toBe(
      lab.lab.hosts[2]?.underlayAddress,
    );
    // h1 has no port of the network any more: it holds nothing of it.
    await eventually('h1 lets go of the network', async () => !(await deviceNames(lab.name, 'h1')).includes(vxlan));
    await lab.move('g1', 'h1');
    await lab.inSync(network.id, 3);
    expect(await ping(lab.name, 'g2', addressesOf(port('g1'))[0] ?? '', 2)).toEqual({ sent: 2, received: 2 });
  });

  test('refuses, with a clear status, what its hosts cannot serve', async () => {
    const flat = await lab.network({
      name: 'flat',
      network_type: NetworkType.NETWORK_TYPE_FLAT,
      physical_network: 'provider',
    });
    const jumbo = await lab.network({ name: 'jumbo', mtu: 8950 });
    for (const [name, refused, words] of [
      ['rf', flat, /host h2 has no way to physical network provider/],
      ['rj', jumbo, /network MTU 8950 .* need an underlay MTU of 90[02]0, host h2 has 1500/],
    ] as const) {
      const refusedPort = await lab.port(refused);
      await lab.boot(name, 'h2', refusedPort, refused);
      await eventually(
        'the port is refused',
        async () => (await lab.getPort(refusedPort.id)).status === 'STATUS_ERROR',
      );
      expect((await lab.getPort(refusedPort.id)).status_message).toMatch(words);
      await lab.kill(name);
    }
  });

  test('takes everything back when ports go: kernel by kernel to nothing', async () => {
    for (const guest of guests) {
      await lab.kill(guest);
      await lab.deletePort(port(guest).id);
    }
    await eventually('no device is left', async () => {
      const names = (await Promise.all(lab.hosts.map(async (host) => deviceNames(lab.name, host)))).flat();
      return names.every((name) => !/^(brq|vxlan-|tap)/.test(name));
    });
    expect((await lab.state(network.id)).entry_count).toBe(0);
  });
});

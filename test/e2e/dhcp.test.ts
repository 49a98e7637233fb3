import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import { Ipv6AddressMode } from '#proto/weft/ipam/v1/ipam.ts';
import type { Network, Port } from '#proto/weft/topology/v1/topology.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { agentRestart } from '../../cli/lab/index.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';

const LAB = 'dh-e2e';
const CIDR = '172.16.1.0/24';
const STRANGER = 'fa:16:3e:99:99:99';

describe('DHCP of networks', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let network: Network;
  let subnet: Subnet;
  let other: Network;
  let guest: Port;

  const net = { lab: LAB, host: 'net' };
  const files = (id: string): string => `/var/lib/weft-lab/${LAB}/data/net/agent/dhcp/${id}`;
  const file = (name: string): string => readFileSync(join(files(network.id), name), 'utf8');
  const namespaces = async (): Promise<string> => inPlace(net, ['ip', 'netns', 'list']);
  const isServer = (pid: string): boolean =>
    existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('dnsmasq');
  const isServed = async (port: Port): Promise<void> => {
    await eventually('DHCP knows the port', () => Promise.resolve(file('host').includes(port.mac_address)));
  };
  const ask = async (vm: string, tries: number): Promise<number> => {
    const argv = ['udhcpc', '-i', 'eth0', '-f', '-n', '-q', '-t', tries.toString(), '-T', '1', '-s', '/bin/true'];
    return (await tryInPlace({ lab: LAB, vm }, argv)).exitCode;
  };

  beforeAll(async () => {
    const hosts = { hosts: ['net', 'cmp'], roles: ['network', 'compute'], drivers: ['ovs', 'linuxbridge'] } as const;
    weft = stack.use(await LabWeft.up({ name: LAB, ...hosts }));
    [network, other] = await Promise.all([weft.network({ name: 'blue' }), weft.network({ name: 'red' })]);
    subnet = await weft.subnet(network, CIDR, { dns_nameservers: ['8.8.4.4'] });
    await weft.subnet(network, '2001:db8:1::/64', { ipv6_address_mode: Ipv6AddressMode.IPV6_ADDRESS_MODE_SLAAC });
    await weft.subnet(other, CIDR);
    guest = await weft.port(network, { name: 'g1' });
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  test('gives a guest of another host what IPAM recorded for its port, and nobody else anything', async () => {
    const { resolvConf = '' } = await weft.boot('g1', 'cmp', guest, network, true);
    const at = { lab: LAB, vm: 'g1' };
    const [ip = ''] = guest.fixed_ips.map(({ ip_address }) => ip_address).filter((each) => !each.includes(':'));
    const [ip6 = ''] = guest.fixed_ips.map(({ ip_address }) => ip_address).filter((each) => each.includes(':'));
    const link = await inPlace(at, ['ip', 'address', 'show', 'dev', 'eth0']);
    expect(link).toContain(`inet ${ip}/24 brd 172.16.1.255`);
    expect(link).toContain('mtu 1450');
    const routes = await inPlace(at, ['ip', 'route', 'show']);
    expect(routes).toContain('default via 172.16.1.1');
    expect(routes).toMatch(/169\.254\.169\.254 via 172\.16\.1\.\d+ dev eth0/);
    expect(readFileSync(resolvConf, 'utf8')).toContain('nameserver 8.8.4.4\n');
    await eventually(
      'an address made of what is advertised',
      async () => (await inPlace(at, ['ip', '-6', 'address', 'show', 'dev', 'eth0'])).includes(ip6),
      5_000,
    );
    expect(await inPlace(at, ['ip', '-6', 'route', 'show', 'default'])).toBe('');

    // What no rule of a port holds back.
    const open = await weft.port(network, { name: 'g2', port_security_enabled: false });
    await weft.boot('g2', 'net', open, network);
    await isServed(open);
    expect(await ask('g2', 3)).toBe(0);
    await inPlace({ lab: LAB, vm: 'g2' }, ['ip', 'link', 'set', 'dev', 'eth0', 'address', STRANGER]);
    expect(await ask('g2', 1)).not.toBe(0);
    expect(file('leases')).not.toContain(STRANGER);
    await weft.kill('g2');
  });

  test('serves networks whose addresses overlap, each its own guests', async () => {
    const same = await weft.port(other, { name: 'g3' });
    await weft.boot('g3', 'cmp', same, other, true);
    expect(same.fixed_ips[0]?.ip_address).toBe(guest.fixed_ips[0]?.ip_address);
    expect(await ping(LAB, 'g3', '172.16.1.2', 1)).toMatchObject({ received: 1 });
    await weft.kill('g3');
  });

  test('an address of a deleted port is the next one’s at once, and no change is missed by the running server', async () => {
    const server = file('pid');
    const first = await weft.port(network, { name: 'g4' });
    await weft.boot('g4', 'cmp', first, network, true);
    await weft.kill('g4');
    await weft.deletePort(first.id);
    const second = await weft.port(network, { name: 'g5', fixed_ips: first.fixed_ips.slice(0, 1) });
    expect(second.mac_address).not.toBe(first.mac_address);
    await weft.boot('g5', 'cmp', second, network, true);
    expect(file('leases')).not.toContain(first.mac_address);
    await weft.kill('g5');
    expect(file('pid')).toBe(server);
  });

  test('is back when its server is killed or its namespace deleted, and is left alone by a restart of the agent', async () => {
    const before = file('pid').trim();
    process.kill(Number(before), 'SIGKILL');
    const killed = performance.now();
    await eventually('another server', () =>
      Promise.resolve(file('pid').trim() !== before && isServer(file('pid').trim())),
    );
    expect(performance.now() - killed).toBeLessThan(1_000);

    await inPlace(net, ['ip', 'netns', 'delete', `qdhcp-${network.id}`]);
    const deleted = performance.now();
    await eventually('its namespace', async () => (await namespaces()).includes(`qdhcp-${network.id}`));
    expect(performance.now() - deleted).toBeLessThan(3_000);
    const late = await weft.port(network, { name: 'g6' });
    await weft.boot('g6', 'cmp', late, network, true);
    await weft.kill('g6');
    await eventually('its flows are gone', async () => {
      const dump = ['ovs-ofctl', '-O', 'OpenFlow15', '--no-stats', 'dump-flows', 'br-int'];
      return !(await inPlace(net, dump)).includes(late.mac_address);
    });

    const server = file('pid');
    await agentRestart(net, AbortSignal.timeout(20_000));
    const agent = await weft.connections.agent('net');
    await eventually(
      'the agent is told of its duties',
      async () => (await agent.getHostState({})).networks.length === 2,
    );
    expect((await agent.getHostState({})).operation_count).toBe('0');
    expect(file('pid')).toBe(server);
    expect(isServer(server.trim())).toBe(true);
  });

  test.each([
    ['gives the address that IPAM recorded', 'DHCPV6_STATEFUL', ['-1']],
    ['gives name servers alone', 'DHCPV6_STATELESS', ['-S']],
  ] as const)('of IPv6 %s: %s', async (_title, mode, words) => {
    const six = await weft.network({ name: mode.toLowerCase().replaceAll('_', '-') });
    const dns = '2001:db8:53::53';
    const ipv6_address_mode = Ipv6AddressMode[`IPV6_ADDRESS_MODE_${mode}`];
    const { id } = await weft.subnet(six, '2001:db8:6::/64', { ipv6_address_mode, dns_nameservers: [dns] });
    const port = await weft.port(six, { name: 'six' });
    await weft.boot('six', 'cmp', port, six);
    const folder = mkdtempSync(join(tmpdir(), 'weft-dhcp6-'));
    try {
      const [told, script] = [join(folder, 'told'), join(folder, 'script')];
      const line = '[ -z "$new_dhcp6_name_servers" ] || echo "$new_ip6_address $new_dhcp6_name_servers"';
      writeFileSync(script, `#!/bin/sh\n${line} > ${told}\n`, { mode: 0o755 });
      const paths = ['-sf', script, '-lf', join(folder, 'leases'), '-pf', join(folder, 'pid')];
      // It stays when it has what it asked for; who asks before its address is settled asks again.
      const argv = ['timeout', '4', 'dhclient', '-6', '-d', ...words, ...paths, 'eth0'];
      await eventually(
        'an answer',
        async () => {
          await tryInPlace({ lab: LAB, vm: 'six' }, argv);
          return existsSync(told);
        },
        20_000,
      );
      const leased = mode === 'DHCPV6_STATEFUL' ? port.fixed_ips[0]?.ip_address : '';
      expect(readFileSync(told, 'utf8')).toBe(`${leased ?? ''} ${dns}\n`);
    } finally {
      rmSync(folder, { recursive: true });
    }
    await weft.kill('six');
    await weft.deletePort(port.id);
    await weft.deleteSubnet(id);
    await eventually('no files', () => Promise.resolve(!existsSync(files(six.id))));
  });

  test('leaves nothing when its subnet is deleted', async () => {
    const server = file('pid').trim();
    for (const each of (
      await (
        await weft.connections.topology()
      ).listPorts({ network_id: network.id, page_size: 100, page_token: '', binding_host_id: '', name: '' })
    ).ports) {
      if (each.device_owner !== 'network:dhcp') await weft.deletePort(each.id);
    }
    await weft.kill('g1');
    for (const each of (
      await (await weft.connections.ipam()).listSubnets({ network_id: network.id, page_size: 100, page_token: '' })
    ).subnets) {
      await weft.deleteSubnet(each.id);
    }
    await eventually('no namespace', async () => !(await namespaces()).includes(`qdhcp-${network.id}`));
    await eventually('no files', () => Promise.resolve(!existsSync(files(network.id))));
    expect(isServer(server)).toBe(false);
    expect(readdirSync(join(files(network.id), '../..')).filter((name) => name.includes('.duty'))).toEqual([
      `dhcp-${other.id}.duty`,
    ]);
    expect(subnet.enable_dhcp).toBe(true);
  });
});

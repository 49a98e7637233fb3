import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Status, type Network, type Port } from '#proto/weft/topology/v1/topology.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import { eventually as within } from '#platform/testing/eventually.ts';
import { agentRestart } from '../../cli/lab/index.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';

const GATEWAYS = ['172.32.0.1', '2001:db8:32::1'];
const INTERNET = ['198.51.100.1', '2001:db8:5511::1'];
const signal = (): AbortSignal => AbortSignal.timeout(20_000);

const eventually = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
  await within(what, condition, 10_000);
};

describe('networks on a physical network', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let flat: Network;
  let tagged: Network;

  beforeAll(async () => {
    weft = stack.use(
      await LabWeft.up({
        name: 'e2e-prov',
        hosts: ['bridge', 'switch', 'other', 'mover'],
        drivers: ['linuxbridge', 'ovs', 'ovs', 'linuxbridge'],
        physicalNetwork: 'provider',
        providerGateway: GATEWAYS.map((address) => `${address}/${address.includes(':') ? '64' : '24'}`),
        agentFlags: (host) => [
          ...['--audit-spacing-ms', '300', '--report-interval-ms', '500'],
          ...(['mover', 'other'].includes(host) ? ['--move-addresses', '--move-back-ms', '1000'] : []),
        ],
      }),
    );
    const physical_network = 'provider';
    flat = await weft.network({ network_type: NetworkType.NETWORK_TYPE_FLAT, physical_network, mtu: 1500 });
    await weft.subnet(flat, '172.32.0.0/24');
    await weft.subnet(flat, '2001:db8:32::/64');
    const type = { network_type: NetworkType.NETWORK_TYPE_VLAN, segmentation_id: 100 };
    tagged = await weft.network({ ...type, physical_network, mtu: 1500 });
    await weft.subnet(tagged, '10.100.0.0/24');
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  const on = async (host: string, ...argv: readonly string[]): Promise<string> =>
    await inPlace({ lab: weft.name, host }, argv);
  const has = async (host: string, device: string, address: string): Promise<boolean> =>
    (await tryInPlace({ lab: weft.name, host }, ['ip', '-brief', 'address', 'show', 'dev', device])).stdout.includes(
      address,
    );
  const boot = async (guest: string, host: string, network: Network): Promise<Port> => {
    const port = await weft.port(network, { name: guest });
    await weft.boot(guest, host, port, network);
    return port;
  };
  const addressesOf = (port: Port): readonly string[] => port.fixed_ips.map(({ ip_address }) => ip_address);
  const reaches = async (guest: string, addresses: readonly string[]): Promise<void> => {
    for (const address of addresses) {
      await eventually(
        `${guest} reaches ${address}`,
        async () => (await ping(weft.name, guest, address, 1)).received === 1,
      );
    }
  };
  const statusOf = async (port: Port, wanted: Status): Promise<string> => {
    await eventually(`port ${port.name} is ${wanted}`, async () => (await weft.getPort(port.id)).status === wanted);
    return (await weft.getPort(port.id)).status_message;
  };
  const masterOf = async (host: string, device: string): Promise<string | undefined> => {
    const [link] = JSON.parse(await on(host, 'ip', '-json', 'link', 'show', 'dev', device)) as { master?: string }[];
    return link?.master;
  };
  const bridges = async (host: string): Promise<readonly string[]> =>
    (await on(host, 'ovs-vsctl', 'list-br')).trim().split('\n').sort();

  test('join guests on hosts of both kinds with each other, the gateway and what is beyond', async () => {
    const onBridge = await boot('f1', 'bridge', flat);
    const onSwitch = await boot('f2', 'switch', flat);
    for (const guest of ['f1', 'f2']) {
      for (const gateway of GATEWAYS)
        await inPlace({ lab: weft.name, vm: guest }, ['ip', 'route', 'add', 'default', 'via', gateway]);
    }
    await reaches('f1', [...addressesOf(onSwitch), ...GATEWAYS, ...INTERNET]);
    await reaches('f2', [...addressesOf(onBridge), ...GATEWAYS, ...INTERNET]);
    const seen = "fetch('http://198.51.100.1/').then((r) => r.text()).then((t) => process.stdout.write(t.trim()))";
    const page = await inPlace({ lab: weft.name, vm: 'f2' }, [process.execPath, '-e', seen]);
    expect(addressesOf(onSwitch)).toContain(page);
    // No tunnel, no rows: the wire is all there is.
    expect(await on('bridge', 'ip', '-brief', 'link')).not.toContain('vxlan-');
    expect(await masterOf('bridge', 'eth1')).toBe(`brq${flat.id.slice(0, 11)}`);
  });

  test('carry the tag of a VLAN between switches; a kernel without VLANs says so', async () => {
    await boot('t1', 'switch', tagged);
    const far = await boot('t2', 'other', tagged);
    const refused = await boot('t3', 'bridge', tagged);
    await reaches('t1', addressesOf(far));
    const flows = await on('other', 'ovs-ofctl', '-O', 'OpenFlow15', '--names', 'dump-flows', 'br-int', 'table=0');
    const arrived = /n_packets=(\d+).*in_port="?int-br-provider"?,dl_vlan=100\b/.exec(flows)?.[1];
    expect(Number(arrived)).toBeGreaterThan(0);
    const { stderr } = await tryInPlace({ lab: weft.name, host: 'bridge' }, [
      ...['ip', 'link', 'add', 'link', 'eth1', 'name', 'probe', 'type', 'vlan', 'id', '1'],
    ]);
    if (!stderr.includes('Unknown device type')) return;
    expect(await statusOf(refused, Status.STATUS_ERROR)).toMatch(/no VLANs .* modprobe 8021q/);
    expect((await ping(weft.name, 't1', addressesOf(refused)[0] ?? '', 1)).received).toBe(0);
  });

  test('are left as they are by an agent that starts anew, and mended when somebody takes a part away', async () => {
    for (const host of ['bridge', 'switch']) {
      await agentRestart({ lab: weft.name, host }, signal());
      const agent = await weft.connections.agent(host);
      await eventually(`${host} has looked`, async () =>
        (await agent.getHostState({})).networks.every(({ audit_time }) => audit_time !== undefined),
      );
      expect(await agent.plan({ network_id: '' })).toEqual({ operations: [] });
      expect((await agent.getHostState({})).operation_count).toBe('0');
    }
    await on('bridge', 'ip', 'link', 'set', 'eth1', 'nomaster');
    await on('switch', 'ovs-vsctl', 'del-port', 'br-int', 'int-br-provider');
    await reaches('f1', ['172.32.0.1']);
    await reaches('f2', ['172.32.0.1']);
    await on('switch', 'ovs-vsctl', 'del-br', 'br-provider');
    await reaches('f2', ['172.32.0.1']);
  });

  test('go without a trace, and the interface is as it was', async () => {
    await weft.kill('f1');
    await weft.kill('f2');
    await eventually('the interface is out', async () => (await masterOf('bridge', 'eth1')) === undefined);
    expect(await on('bridge', 'ip', '-brief', 'link')).not.toContain('brq');
    expect(await bridges('switch')).toContain('br-provider');
    await weft.kill('t1');
    await eventually('the bridge is gone', async () => !(await bridges('switch')).includes('br-provider'));
    expect(await on('switch', 'ovs-vsctl', 'list-ports', 'br-int')).not.toContain('int-');
  });

  /** What bears the host's address while the network is there, of hosts of both kinds. */
  const KINDS = [
    { driver: 'Linux bridges', strict: 'bridge', mover: 'mover', n: 44, home: () => `brq${flat.id.slice(0, 11)}` },
    { driver: 'Open vSwitch', strict: 'switch', mover: 'other', n: 45, home: () => 'br-provider' },
  ] as const;
  const isOut = async (host: string): Promise<boolean> =>
    host === 'other' ? !(await bridges(host)).includes('br-provider') : (await masterOf(host, 'eth1')) === undefined;
  const fromGateway = async (address: string, count: number): Promise<string> =>
    (
      await tryInPlace({ lab: weft.name, host: 'gateway' }, [
        ...['ping', '-n', '-q', '-i', '0.05', '-W', '1', '-c', count.toString(), address],
      ])
    ).stdout;

  test.each(KINDS)(
    "do not cut the host's own address off with $driver, unless they may take it along; and give it back",
    async ({ strict, mover, n, home }) => {
      if (mover === 'other') await weft.kill('t2');
      await eventually('nothing is on the wire', async () => isOut(mover));
      const [mine, strange] = [`172.32.0.${n.toString()}`, `172.32.0.${(n + 10).toString()}/24`];
      const mine6 = `2001:db8:32::${n.toString()}`;
      await on(strict, 'ip', 'address', 'add', strange, 'dev', 'eth1');
      await on(mover, 'ip', 'address', 'add', `${mine}/24`, 'dev', 'eth1');
      for (const device of ['default', 'eth1'])
        await on(mover, 'sysctl', '-q', '-w', `net.ipv6.conf.${device}.disable_ipv6=0`);
      await on(mover, 'ip', 'address', 'add', `${mine6}/64`, 'dev', 'eth1', 'nodad');
      await on(mover, 'ip', 'route', 'add', 'default', 'via', '172.32.0.1');
      const refused = await boot(`${strict}-1`, strict, flat);
      expect(await statusOf(refused, Status.STATUS_ERROR)).toContain(
        `eth1 of host ${strict} carries the host's own address ${strange}`,
      );
      await on(strict, 'ip', 'address', 'del', strange, 'dev', 'eth1');
      await statusOf(refused, Status.STATUS_ACTIVE);
      await reaches(`${strict}-1`, ['172.32.0.1']);

      const meanwhile = fromGateway(mine, 50);
      const guest = `${mover}-1`;
      await boot(guest, mover, flat);
      await eventually('the address has moved', async () => has(mover, home(), mine));
      expect(await has(mover, home(), mine6)).toBe(true);
      expect(await has(mover, 'eth1', mine)).toBe(false);
      expect(await on(mover, 'ip', 'route', 'show', 'default')).toContain(`via 172.32.0.1 dev ${home()}`);
      await on(mover, 'ping', '-c', '1', '-W', '2', '198.51.100.1');
      await reaches(guest, [mine, mine6]);
      for (const address of [mine, mine6]) expect(await fromGateway(address, 5)).toContain(' 5 received, 0%');
      expect(await (await weft.connections.agent(mover)).plan({ network_id: '' })).toEqual({ operations: [] });
      await weft.kill(guest);
      await eventually('the address is back', async () => (await has(mover, 'eth1', mine)) && (await isOut(mover)));
      expect(await has(mover, 'eth1', mine6)).toBe(true);
      expect(await on(mover, 'ip', 'route', 'show', 'default')).toContain('via 172.32.0.1 dev eth1');
      for (const address of [mine, mine6]) expect(await fromGateway(address, 5)).toContain(' 5 received, 0%');
      expect(Number(/ (?<received>\d+) received/.exec(await meanwhile)?.groups?.['received'])).toBeGreaterThan(40);
    },
  );

  test.each(KINDS)(
    'give an address back at once with $driver when the control plane is not reached any more',
    async ({ mover, n }) => {
      const mine = `172.32.0.${n.toString()}`;
      // The way to the control plane hangs by the address, as on a host that has but one interface.
      const way = '10.254.0.1/32';
      await on(mover, 'ip', 'route', 'add', way, 'dev', 'mgmt0', 'src', mine);
      await on(mover, 'ip', 'route', 'add', 'blackhole', way, 'metric', '1000');
      const script = [
        `while ip route show ${way} | grep -q mgmt0; do sleep 0.02; done`,
        `until ip address show dev eth1 | grep -q ${mine}/; do sleep 0.02; done`,
        `ip route del blackhole ${way}`,
      ].join('; ');
      const cutting = on(mover, 'sh', '-c', script);
      const port = await boot(`${mover}-2`, mover, flat);
      await cutting;
      expect(await statusOf(port, Status.STATUS_ERROR)).toMatch(
        /moved to its bridge and back again: .*not reached within 1000 ms/,
      );
      await eventually('the interface is out', async () => isOut(mover));
      expect(await on(mover, 'ip', 'route', 'show', 'default')).toContain('via 172.32.0.1 dev eth1');
    },
  );
});

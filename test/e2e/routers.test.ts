import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FloatingIp, Router, type Network, type Port } from '#proto/weft/topology/v1/topology.ts';
import { Ipv6AddressMode, Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { agentKill9, agentRestart, agentStart, vmBoot } from '../../cli/lab/index.ts';
import { inPlace, tryInPlace } from '../system/kernel.ts';
import { LabWeft } from '../system/lab-weft.ts';
import { ping } from '../system/traffic.ts';

const INTERNET = '198.51.100.1';
const FLAGS = [
  ...['--lease-ms', '2000', '--start-grace-ms', '1000', '--settle-ms', '300'],
  ...['--report-interval-ms', '1000', '--audit-spacing-ms', '600'],
];
/** What a guest says of itself to the internet, which answers with the address it sees. */
const ASK = `fetch('http://${INTERNET}/',{signal:AbortSignal.timeout(2000)}).then(r=>r.text()).then(t=>process.stdout.write(t.trim()))`;

const request = () => ({ request_id: randomUUID(), validate_only: false });
const soon = (ms = 30_000): AbortSignal => AbortSignal.timeout(ms);

describe('routers', () => {
  const stack = new AsyncDisposableStack();
  let weft: LabWeft;
  let external: Network;
  let router: Router;
  let other: Router;
  let a: Port;
  let b: Port;

  /** Networks that DHCP is served on. */
  let told: readonly Network[];

  const subnet = async (network: Network, cidr: string, enableDhcp = false): Promise<Subnet> => {
    const mode = cidr.includes(':') ? Ipv6AddressMode.IPV6_ADDRESS_MODE_SLAAC : undefined;
    const wish = Subnet.fromPartial({
      ...{ network_id: network.id, cidr, enable_dhcp: enableDhcp },
      ...(mode !== undefined && { ipv6_address_mode: mode }),
    });
    return await (await weft.connections.ipam()).createSubnet({ subnet: wish, ...request() });
  };
  const boot = async (name: string, host: string, network: Network, prefix: string): Promise<Port> => {
    const port = await weft.port(network);
    const ips = port.fixed_ips.map(({ ip_address }) => ({
      address: ip_address,
      prefix: ip_address.includes(':') ? 64 : 24,
    }));
    const spec = { id: port.id, mac: port.mac_address, ips, mtu: network.mtu, gateways: [`${prefix}.1`] };
    await vmBoot({ lab: weft.name, host, name, port: spec }, soon());
    return port;
  };
  const addressOf = (port: Port, version = 4): string =>
    port.fixed_ips.find(({ ip_address }) => ip_address.includes(':') === (version === 6))?.ip_address ?? '';
  const current = async (id: string): Promise<Router> => await (await weft.connections.routers()).getRouter({ id });
  const reached = async (guest: string, address: string, withinMs = 10_000): Promise<void> => {
    await eventually(
      `${guest} reaches ${address}`,
      async () => (await ping(weft.name, guest, address, 1)).received === 1,
      withinMs,
    );
  };
  const namespaceOf = ({ id }: Router): string => `qrouter-${id}`;
  const on = (host: string): { readonly lab: string; readonly host: string } => ({ lab: weft.name, host });
  /** Whether a host has that namespace with that socket in it. */
  const serves = async (host: string, { id }: Network): Promise<boolean> =>
    (await tryInPlace(on(host), ['ip', 'netns', 'exec', `qdhcp-${id}`, 'ss', '-Hlun', 'sport', '=', ':67'])).stdout !==
    '';
  const servedBy = async (host: string): Promise<readonly Network[]> => {
    const found = await Promise.all(told.map(async (network) => ({ network, here: await serves(host, network) })));
    return found.flatMap(({ network, here }) => (here ? [network] : []));
  };
  const inRouter = async (host: string, of: Router, ...argv: readonly string[]): Promise<string> =>
    (await tryInPlace(on(host), ['ip', 'netns', 'exec', namespaceOf(of), ...argv])).stdout;
  const makeRouter = async (name: string, subnets: readonly Subnet[]): Promise<Router> => {
    const routers = await weft.connections.routers();
    const wish = Router.fromPartial({ name, external_gateway: { network_id: external.id } });
    let made = await routers.createRouter({ router: wish, ...request() });
    for (const { id } of subnets) {
      made = await routers.addRouterInterface({ router_id: made.id, subnet_id: id, port_id: '', ...request() });
    }
    return made;
  };

  beforeAll(async () => {
    weft = stack.use(
      await LabWeft.up({
        ...{ name: 'er-rt', hosts: ['c1', 'n1', 'n2'], roles: ['compute', 'network', 'network'], agentFlags: FLAGS },
        drivers: ['linuxbridge', 'linuxbridge', 'ovs'],
        ...{ physicalNetwork: 'provider', providerGateway: ['172.32.0.1/24'] },
      }),
    );
    external = await weft.network({
      ...{ name: 'provider', network_type: NetworkType.NETWORK_TYPE_FLAT, physical_network: 'provider' },
      ...{ external: true, shared: true },
    });
    await subnet(external, '172.32.0.0/24');
    const [one, two, third] = [await weft.network(), await weft.network(), await weft.network()];
    const insides = [
      ...[await subnet(one, '172.16.1.0/24', true), await subnet(two, '172.16.2.0/24', true)],
      ...[await subnet(one, '2001:db8:1::/64'), await subnet(two, '2001:db8:2::/64')],
    ];
    told = [one, two];
    router = await makeRouter('r', insides);
    other = await makeRouter('o', [await subnet(third, '172.16.1.0/24')]);
    [a, b] = [await boot('a', 'c1', one, '172.16.1'), await boot('b', 'n1', two, '172.16.2')];
    await boot('o', 'c1', third, '172.16.1');
    for (const guest of ['a', 'b', 'o']) await reached(guest, INTERNET, 20_000);
  });

  afterAll(async () => {
    await stack.disposeAsync();
  });

  test('guests reach their gateway, each other and the internet, as the address of their router', async () => {
    await reached('a', '172.16.1.1');
    await reached('a', addressOf(b));
    await reached('b', addressOf(a));
    // By what the router advertises.
    await reached('a', addressOf(b, 6));
    router = await current(router.id);
    for (const [guest, { id }] of [
      ['a', router],
      ['o', other],
    ] as const) {
      const { external_gateway: gateway } = await current(id);
      const { stdout } = await tryInPlace({ lab: weft.name, vm: guest }, [process.execPath, '-e', ASK]);
      expect(stdout).toContain(gateway?.fixed_ips[0]?.ip_address ?? '?');
    }
    // What is behind one router is nowhere for the other, though both are on the external network.
    expect((await ping(weft.name, 'o', addressOf(b), 2)).received).toBe(0);
    const { binding_host_id: host } = await current(other.id);
    expect(await inRouter(host, other, 'ip', 'route')).not.toContain('172.16.2.');
    expect(await inRouter(host, other, 'ip', '-6', 'route')).not.toContain('2001:db8:');
  });

  test('a floating address leads to a guest, then to another one', async () => {
    const routers = await weft.connections.routers();
    const wish = FloatingIp.fromPartial({ floating_network_id: external.id, port_id: a.id });
    const made = await routers.createFloatingIp({ floating_ip: wish, ...request() });
    const address = made.floating_ip_address;
    const fromOutside = async (): Promise<boolean> =>
      (await tryInPlace(on('gateway'), ['ping', '-c', '1', '-W', '1', '-n', address])).exitCode === 0;
    await eventually('the floating address', fromOutside, 5_000);
    const { stdout } = await tryInPlace({ lab: weft.name, vm: 'a' }, [process.execPath, '-e', ASK]);
    expect(stdout).toContain(address);
    await reached('o', address);
    const { binding_host_id: host } = await current(router.id);
    const flows = async (): Promise<string> => inRouter(host, router, 'conntrack', '-L', '--orig-dst', address);
    expect(await flows()).toContain(`src=${addressOf(a)}`);
    await routers.updateFloatingIp({
      floating_ip: FloatingIp.fromPartial({ id: made.id, port_id: b.id }),
      ...{ update_mask: ['port_id'], ...request() },
    });
    await eventually(
      'the move, and nothing left of what led elsewhere',
      async () => {
        const isMoved = (await fromOutside()) && (await flows()).includes(`src=${addressOf(b)}`);
        return isMoved && !(await flows()).includes(`src=${addressOf(a)}`);
      },
      5_000,
    );
  });

  test('an agent that starts again changes nothing, and a flushed table is back', async () => {
    const { binding_host_id: host } = await current(router.id);
    const steady = ping(weft.name, 'a', INTERNET, 120, 20);
    await agentRestart(on(host), soon());
    const agent = await weft.connections.agent(host);
    await eventually('the agent', async () => (await agent.getHostState({})).control_plane?.topology === true, 10_000);
    const lost = await steady;
    expect(lost.sent - lost.received).toBe(0);
    expect((await agent.getHostState({})).operation_count).toBe('0');
    await inRouter(host, router, 'nft', 'flush', 'ruleset');
    await eventually(
      'the table',
      async () => (await inRouter(host, router, 'nft', 'list', 'ruleset')).includes('snat ip to'),
      1_500,
    );
    await reached('a', INTERNET);
  });

  test('a host that dies loses its router and DHCP to another, and gives them up when it is back', async ({
    annotate,
  }) => {
    const { binding_host_id: dead } = await current(router.id);
    await eventually(
      'both networks have DHCP',
      async () => (await servedBy('n1')).length + (await servedBy('n2')).length === 2,
    );
    const moved = await servedBy(dead);
    expect(moved).not.toEqual([]);
    const steady = ping(weft.name, 'a', INTERNET, 110, 50);
    for (const device of ['eth0', 'eth1']) await inPlace(on(dead), ['ip', 'link', 'set', 'dev', device, 'down']);
    await agentKill9(on(dead), soon());
    await eventually('another host', async () => (await current(router.id)).binding_host_id !== dead, 10_000);
    const { binding_host_id: next } = await current(router.id);
    const { sent, received } = await steady;
    await annotate(`a router was without a host for ${((sent - received) * 50).toString()} ms, of a lease of 2000 ms`);
    expect(sent - received).toBeLessThan(90);
    await reached('a', INTERNET);
    await eventually('DHCP there too', async () => (await servedBy(next)).length === told.length, 10_000);
    for (const device of ['eth0', 'eth1']) await inPlace(on(dead), ['ip', 'link', 'set', 'dev', device, 'up']);
    await agentStart(on(dead), soon());
    const isThere = async (): Promise<boolean> =>
      (await inPlace(on(dead), ['ip', 'netns', 'list'])).includes(namespaceOf(router));
    await eventually('the old host gives it up', async () => !(await isThere()), 10_000);
    await eventually('DHCP as well', async () => (await servedBy(dead)).length === 0, 10_000);
    expect(await servedBy(next)).toEqual(told);
    expect((await current(router.id)).binding_host_id).toBe(next);
    await reached('a', INTERNET);
    await reached('a', addressOf(b, 6));
  });
});

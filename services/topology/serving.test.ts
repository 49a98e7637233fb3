import { randomUUID } from 'node:crypto';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseUuid, type Uuid } from '#platform/net/names.ts';
import { eventually } from '#platform/testing/eventually.ts';
import {
  type DhcpServer,
  DutyKind,
  type PortSecurity,
  type RouterInstance,
  type WatchDutiesResponse,
} from '#proto/weft/topology/v1/duty.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import { FloatingIp, Host, HostRole, type Port, Router } from '#proto/weft/topology/v1/topology.ts';
import { makeNetwork, makePort, plainly, tapReport } from './testing/messages.ts';
import { openStage, type Stage, type TopologyClient } from './testing/stage.ts';

let stage: Stage;
let one: TopologyClient;
let two: TopologyClient;
let bus: NatsConnection;

beforeAll(async () => {
  stage = await openStage(2);
  const [first, second] = stage.clients;
  if (first === undefined || second === undefined) throw new Error('two replicas were asked for');
  [one, two] = [first, second];
  bus = await connect({ servers: stage.nats.url });
});

afterAll(async () => {
  await bus.close();
  await stage[Symbol.asyncDispose]();
});

const registerServer = async (id: string, vtep: string, leaseSeconds: string): Promise<void> => {
  const host = Host.fromPartial({
    ...{ id, vtep_address: vtep, driver: Driver.DRIVER_LINUXBRIDGE, underlay_mtu: 1_500 },
    roles: [HostRole.HOST_ROLE_NETWORK],
  });
  await one.registerHost({ host, lease: { seconds: leaseSeconds, nanos: 0 } });
};

/** As ipam would. */
const giveSubnet = (networkId: string, prefix: string): Uuid => {
  const subnetId = parseUuid('id', randomUUID());
  stage.ipam.addSubnet(parseUuid('id', networkId), subnetId, prefix);
  bus.publish(`weft.ipam.subnets.${networkId}`);
  return subnetId;
};

const dhcpPorts = async (networkId: string): Promise<readonly Port[]> => {
  const { ports } = await two.listPorts({
    network_id: networkId,
    page_size: 100,
    page_token: '',
    binding_host_id: '',
    name: '',
  });
  return ports.filter((port) => port.device_owner === 'network:dhcp');
};

/** What a host holds by what it was told, as an agent would keep it. */
class Told implements AsyncDisposable {
  readonly ports = new Map<string, PortSecurity>();
  readonly servers = new Map<string, DhcpServer>();
  readonly routers = new Map<string, RouterInstance>();
  readonly kinds: DutyKind[] = [];
  readonly #halt = new AbortController();
  readonly #done: Promise<void>;

  constructor(replica: number, hostId: string) {
    this.#done = this.#run(replica, hostId).catch((error: unknown) => {
      if (!this.#halt.signal.aborted) throw error;
    });
  }

  get isComplete(): boolean {
    return this.kinds.includes(DutyKind.DUTY_KIND_BOOKMARK);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#halt.abort();
    await this.#done;
  }

  async #run(replica: number, hostId: string): Promise<void> {
    const client = stage.duties[replica];
    if (client === undefined) throw new Error('no such replica');
    for await (const message of client.watchDuties({ host_id: hostId }, { signal: this.#halt.signal }))
      this.#take(message);
  }

  #take({ kind, duty }: WatchDutiesResponse): void {
    this.kinds.push(kind);
    const ended = kind === DutyKind.DUTY_KIND_ENDED;
    if (duty?.$case === 'port_security') {
      if (ended) this.ports.delete(duty.value.port_id);
      else this.ports.set(duty.value.port_id, duty.value);
    }
    if (duty?.$case === 'dhcp_server') {
      if (ended) this.servers.delete(duty.value.network_id);
      else this.servers.set(duty.value.network_id, duty.value);
    }
    if (duty?.$case === 'router') {
      if (ended) this.routers.delete(duty.value.router_id);
      else this.routers.set(duty.value.router_id, duty.value);
    }
  }
}

test('DHCP of a network is served by one host, and by another when the lease of that ends, through any replica', async () => {
  await registerServer('net-a', '10.1.0.1', '2');
  const network = await makeNetwork(one);
  const subnetId = giveSubnet(network.id, '172.16.1');
  await eventually(
    'a port for DHCP is on the host',
    async () => (await dhcpPorts(network.id))[0]?.binding_host_id === 'net-a',
  );
  const [server] = await dhcpPorts(network.id);
  expect(server).toMatchObject({
    device_id: `dhcp-${network.id}`,
    port_security_enabled: false,
    binding_generation: '1',
    fixed_ips: [{ subnet_id: subnetId, ip_address: '172.16.1.2' }],
  });

  await using a = new Told(0, 'net-a');
  await eventually('its duties are known', () => a.isComplete);
  expect(a.servers.get(network.id)).toMatchObject({
    port: { port_id: server?.id, addresses: ['172.16.1.2/24'], gateway_ips: ['172.16.1.1'], mtu: 1_450 },
    generation: '1',
    subnets: [{ id: subnetId, cidr: '172.16.1.0/24' }],
    hosts: [],
    dns_domain: 'weft.internal',
  });
  expect(a.ports.get(server?.id ?? '')).toMatchObject({ enabled: false });

  const guest = await makePort(two, network.id, { name: 'web' });
  await eventually('the guest is served', () => a.servers.get(network.id)?.hosts.length === 1);
  expect(a.servers.get(network.id)?.hosts).toEqual([
    { port_id: guest.id, mac_address: guest.mac_address, ip_addresses: ['172.16.1.3'], hostname: 'web' },
  ]);

  await registerServer('net-b', '10.1.0.2', '60');
  await using b = new Told(1, 'net-b');
  await eventually('nothing is to be done on the other host', () => b.isComplete);
  expect(b.servers.size).toBe(0);
  // The first one's lease ends: nobody renews it.
  await eventually('the other one serves', () => b.servers.has(network.id), 10_000);
  expect(b.servers.get(network.id)).toMatchObject({ generation: '2', hosts: [{ hostname: 'web' }] });
  await eventually('the first one gives it up', () => !a.servers.has(network.id));
  expect(a.ports.size).toBe(0);

  // It was only cut off, and its device is still there: that takes nothing back.
  await registerServer('net-a', '10.1.0.1', '60');
  const answer = await one.reportPortUp(tapReport('net-a', server?.id ?? ''));
  expect(answer).toMatchObject({ rebound: false, port: { binding_host_id: 'net-b', binding_generation: '2' } });
  await one.reportPortDown({ host_id: 'net-b', port_id: server?.id ?? '', binding_generation: '2', device_name: '' });
  await two.renewHostLease({ host_id: 'net-a' });
  expect(await dhcpPorts(network.id)).toMatchObject([{ binding_host_id: 'net-b', binding_generation: '2' }]);

  // Without subnets the network can be deleted, whatever ports topology itself has there.
  await one.deletePort({ id: guest.id, etag: '', ...plainly });
  stage.ipam.subnets.delete(parseUuid('id', network.id));
  await two.deleteNetwork({ id: network.id, etag: '', ...plainly });
  await eventually('the other one ends it', () => !b.servers.has(network.id));
  expect(stage.ipam.held).toEqual([]);
});

test('a router is served by one host with all its ports, and by another when the lease of that ends', async () => {
  await registerServer('net-c', '10.1.0.3', '60');
  const outside = await makeNetwork(one, { external: true });
  const inside = await makeNetwork(two);
  giveSubnet(outside.id, '203.0.113');
  const subnetId = giveSubnet(inside.id, '172.16.2');
  const router = await stage.routers.createRouter({
    router: Router.fromPartial({ name: 'edge', external_gateway: { network_id: outside.id } }),
    ...plainly,
  });
  const routerOf = async () => await stage.routers.getRouter({ id: router.id });
  await eventually('some host has it', async () => (await routerOf()).binding_host_id !== '');
  const first = (await routerOf()).binding_host_id;
  await using a = new Told(1, first);
  await eventually('its duties are known', () => a.isComplete);
  expect(a.routers.get(router.id)).toMatchObject({
    generation: '1',
    gateway: { addresses: ['203.0.113.2/24'], gateway_ips: ['203.0.113.1'], mtu: 1_450 },
    enable_snat: true,
    interfaces: [],
  });

  await stage.routers.addRouterInterface({ router_id: router.id, subnet_id: subnetId, port_id: '', ...plainly });
  await eventually('the interface is told', () => a.routers.get(router.id)?.interfaces.length === 1);
  expect(a.routers.get(router.id)).toMatchObject({
    interfaces: [{ network_id: inside.id, addresses: ['172.16.2.1/24'] }],
    subnets: [{ id: subnetId, cidr: '172.16.2.0/24' }],
  });
  const guest = await makePort(one, inside.id);
  const floatingIp = await stage.routers.createFloatingIp({
    floating_ip: FloatingIp.fromPartial({ floating_network_id: outside.id, port_id: guest.id }),
    ...plainly,
  });
  await eventually('the address is told', () => a.routers.get(router.id)?.floating_addresses.length === 1);
  expect(a.routers.get(router.id)?.floating_addresses).toEqual([
    {
      floating_ip_id: floatingIp.id,
      floating_ip_address: floatingIp.floating_ip_address,
      fixed_ip_address: guest.fixed_ips[0]?.ip_address,
    },
  ]);
  await stage.routers.updateFloatingIp({
    floating_ip: FloatingIp.fromPartial({ id: floatingIp.id }),
    update_mask: ['port_id'],
    ...plainly,
  });
  await eventually('the address leads nowhere', () => a.routers.get(router.id)?.floating_addresses.length === 0);

  // Its agent dies: nobody renews the lease, which is short from now on.
  await one.renewHostLease({ host_id: first, lease: { seconds: '1', nanos: 0 } });
  await eventually('another host has it', async () => (await routerOf()).binding_host_id !== first, 10_000);
  const { binding_host_id: second, interfaces, external_gateway: gateway } = await routerOf();
  await using b = new Told(0, second);
  await eventually('its duties are known there', () => b.isComplete);
  expect(b.routers.get(router.id)).toMatchObject({ generation: '2', interfaces: [{ network_id: inside.id }] });
  await eventually('the first one gives it up', () => !a.routers.has(router.id));
  for (const id of [gateway?.port_id ?? '', ...interfaces.map((one) => one.port_id)]) {
    expect(await two.getPort({ id })).toMatchObject({ binding_host_id: second, binding_generation: '2' });
  }
});

test('without NATS a host hears from the replica that did it, and from the others once NATS is back', async () => {
  await registerServer('net-d', '10.1.0.4', '60');
  const network = await makeNetwork(one);
  await using near = new Told(0, 'net-d');
  await using far = new Told(1, 'net-d');
  await eventually('both are complete', () => near.isComplete && far.isComplete);
  await stage.nats.kill9();
  // Both replicas notice by their connections; before that a word may be lost, until all is looked at again.
  await new Promise((resolve) => {
    setTimeout(resolve, 100);
  });
  const { id } = await makePort(one, network.id, { binding_host_id: 'net-d' });
  await eventually('the near one tells', () => near.ports.has(id));
  expect(far.ports.has(id)).toBe(false);
  await stage.nats.restart();
  await eventually('the far one tells', () => far.ports.has(id), 5_000);
});

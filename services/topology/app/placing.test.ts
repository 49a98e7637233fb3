import { describe, expect, test } from 'vitest';
import { parseHostId, type Uuid } from '#platform/net/names.ts';
import { DHCP_OWNER, dhcpPortId } from '../domain/device-owner.ts';
import type { Port } from '../domain/port.ts';
import { never, uuid, World } from '../testing/world.ts';
import { addSubnetInterface } from './add-router-interface.ts';
import { Changes } from './changes.ts';
import { deleteNetwork } from './delete-network.ts';
import { unasked } from './environment.ts';
import { listAll } from './list-all.ts';
import { placeDhcp } from './place-dhcp.ts';
import { placeRouters } from './place-routers.ts';
import { getPort, getRouter } from './queries.ts';
import { portIndex } from './records.ts';
import { reportPortDown } from './report-port-down.ts';
import { reportPortUp } from './report-port-up.ts';
import { SubnetBook } from './subnet-book.ts';
import { sweepLeases } from './sweep-leases.ts';

const NETWORK_ROLE = { roles: ['network'] } as const;

/** A world with what places, as each of several replicas would. */
class PlacingWorld extends World {
  readonly subnets = new SubnetBook(this.ipam, new Changes());
  dhcpHostsPerNetwork = 1;

  async place(): Promise<void> {
    if (!this.ipam.away) await this.subnets.lookAtAll(never);
    const placing = { ...this.environment, subnets: this.subnets, dhcpHostsPerNetwork: this.dhcpHostsPerNetwork };
    const hosts = await listAll(this.store, this.environment.records.hosts, undefined, never);
    await placeDhcp(placing, hosts, { all: true, causes: new Map() }, never);
    await placeRouters(this.environment, hosts, never);
  }

  async servers(networkId: Uuid): Promise<readonly Port[]> {
    const ports = await listAll(this.store, this.environment.records.ports, portIndex.ofNetwork(networkId), never);
    return ports.filter(({ deviceOwner }) => deviceOwner === DHCP_OWNER);
  }

  async places(networkId: Uuid): Promise<readonly (string | undefined)[]> {
    return (await this.servers(networkId)).map(({ binding }) => binding.hostId).sort();
  }

  /** All leases but those of `kept` end. */
  async kill(...kept: readonly string[]): Promise<void> {
    await this.clock.advance(16_000);
    for (const [at, id] of kept.entries()) await this.host(id, `10.7.0.${at.toString()}`, NETWORK_ROLE);
    await sweepLeases(this.environment, this.clock.now() - 60_000, never);
  }

  async served(prefix: string): Promise<{ readonly id: Uuid; readonly subnetId: Uuid }> {
    const { id } = await this.network();
    const subnetId = uuid();
    this.ipam.addSubnet(id, subnetId, prefix);
    return { id, subnetId };
  }
}

describe('DHCP', () => {
  test('is placed once, whoever places and how often, on the host that serves least', async () => {
    const world = new PlacingWorld();
    await world.host('guests', '10.0.0.9');
    for (const [at, id] of ['a', 'b', 'c'].entries()) await world.host(id, `10.0.0.${at.toString()}`, NETWORK_ROLE);
    const networks = [];
    for (let at = 0; at < 6; at += 1) networks.push(await world.served(`172.16.${at.toString()}`));
    await Promise.all([world.place(), world.place(), world.place()]);
    await world.place();
    const places = await Promise.all(networks.map(({ id }) => world.places(id)));
    expect(places.flat().sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    const [first] = networks;
    expect(await world.servers(first?.id ?? uuid())).toMatchObject([
      {
        deviceId: `dhcp-${first?.id ?? ''}`,
        portSecurityEnabled: false,
        fixedIps: [{ subnetId: first?.subnetId }],
        binding: { generation: 1 },
      },
    ]);
    const before = (await world.events()).length;
    await world.place();
    expect(await world.events()).toHaveLength(before);
  });

  test('of several servers, no two are ever on one host, though replicas see different things', async () => {
    const world = new PlacingWorld();
    world.dhcpHostsPerNetwork = 2;
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    const { id } = await world.served('172.16.0');
    await world.place();
    expect(await world.places(id)).toEqual(['a']);
    await world.host('b', '10.0.0.2', NETWORK_ROLE);
    await Promise.all([world.place(), world.place()]);
    expect(await world.places(id)).toEqual(['a', 'b']);
    await world.host('c', '10.7.0.0', NETWORK_ROLE);
    await world.kill('c');
    await Promise.all([world.place(), world.place(), world.place()]);
    // The other one stays where it was until there is a host for it.
    expect((await world.places(id)).filter((host) => host === 'c')).toHaveLength(1);
    expect(await world.places(id)).toHaveLength(2);
    await world.host('d', '10.0.0.4', NETWORK_ROLE);
    await world.place();
    expect(await world.places(id)).toEqual(['c', 'd']);
  });

  test('moves with a new generation when its host is down, with or without ipam, and does not move back', async () => {
    const world = new PlacingWorld();
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    const { id } = await world.served('172.16.0');
    await world.place();
    await world.host('b', '10.7.0.0', NETWORK_ROLE);
    await world.kill('b');
    world.ipam.away = true;
    await world.place();
    expect(await world.servers(id)).toMatchObject([{ binding: { hostId: 'b', generation: 2, claims: {} } }]);
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    await world.place();
    expect(await world.servers(id)).toMatchObject([{ binding: { hostId: 'b', generation: 2 } }]);
  });

  test('no word of a host about its device moves it', async () => {
    const world = new PlacingWorld();
    const { environment, hints } = world;
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    await world.host('z', '10.0.0.2');
    const { id } = await world.served('172.16.0');
    await world.place();
    const portId = dhcpPortId(id, 0);
    const [here, elsewhere] = [parseHostId('id', 'a'), parseHostId('id', 'z')];
    const up = (hostId: typeof here) =>
      reportPortUp(environment, hints, { hostId, device: `tap${portId.slice(0, 11)}` }, never);
    expect(await up(here)).toMatchObject({ rebound: false });
    expect(await up(elsewhere)).toMatchObject({ rebound: false, port: { binding: { hostId: 'a' } } });
    expect(await reportPortDown(environment, { hostId: here, portId, generation: 1 }, never)).toBe(false);
    expect(await getPort(environment, portId, never)).toMatchObject({
      binding: { hostId: 'a', generation: 1, claims: {} },
    });
  });

  test('has an address in each subnet with DHCP, keeps one while its subnet is there, and goes with the last', async () => {
    const world = new PlacingWorld();
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    const { id, subnetId: first } = await world.served('172.16.1');
    await world.place();
    const second = uuid();
    world.ipam.addSubnet(id, second, '172.16.2');
    await Promise.all([world.place(), world.place()]);
    const subnetsOf = async () => (await world.servers(id)).map(({ fixedIps }) => fixedIps.map((ip) => ip.subnetId));
    expect((await subnetsOf())[0]?.toSorted()).toEqual([first, second].sort());
    world.ipam.withoutDhcp.add(second);
    await world.place();
    expect((await subnetsOf())[0]).toHaveLength(2);
    world.ipam.subnets.get(id)?.delete(second);
    await world.place();
    expect(await subnetsOf()).toEqual([[first]]);
    world.ipam.withoutDhcp.add(first);
    await world.place();
    expect(await world.servers(id)).toEqual([]);
    expect(world.ipam.held).toEqual([id]);
  });

  test('of a provider network is where the network is, and of one that is deleted nowhere', async () => {
    const world = new PlacingWorld();
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    const { id } = await world.network({ type: 'flat', physicalNetwork: 'provider' });
    world.ipam.addSubnet(id, uuid(), '203.0.113');
    await world.place();
    expect(await world.places(id)).toEqual([]);
    await world.host('b', '10.0.0.2', { ...NETWORK_ROLE, bridgeMappings: { provider: 'eth1' } as never });
    await world.place();
    expect(await world.places(id)).toEqual(['b']);
    const deletion = () => deleteNetwork(world.environment, { id, etag: '' }, unasked('DeleteNetwork'), never);
    await expect(deletion()).rejects.toMatchObject({ reason: 'NETWORK_IN_USE', details: { by: 'subnets' } });
    world.ipam.subnets.delete(id);
    await deletion();
    expect(await world.servers(id)).toEqual([]);
    expect(world.ipam.held).toEqual([]);
  });
});

describe('a router', () => {
  test('is on the host that serves fewest, moves with its ports when that is down, and does not move back', async () => {
    const world = new PlacingWorld();
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    await world.host('b', '10.0.0.2', NETWORK_ROLE);
    const { environment } = world;
    const routers = [await world.router(), await world.router()];
    await Promise.all([world.place(), world.place()]);
    const hostsOf = async () =>
      await Promise.all(routers.map(async ({ id }) => (await getRouter(environment, id, never)).placement));
    expect((await hostsOf()).map(({ hostId }) => hostId).sort()).toEqual(['a', 'b']);
    const { subnetId } = await world.served('172.16.0');
    const [router] = routers;
    const routerId = router?.id ?? uuid();
    const mutation = unasked('AddRouterInterface');
    const { interfaces } = await addSubnetInterface(environment, { routerId, subnetId }, mutation, never);

    await world.host('c', '10.7.0.0', NETWORK_ROLE);
    await world.kill('c');
    await Promise.all([world.place(), world.place()]);
    expect(await hostsOf()).toEqual([
      { hostId: 'c', generation: 2 },
      { hostId: 'c', generation: 2 },
    ]);
    const port = await getPort(environment, interfaces[0]?.portId ?? uuid(), never);
    expect(port.binding).toMatchObject({ hostId: 'c', generation: 2 });
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    await world.place();
    expect((await hostsOf()).map(({ hostId }) => hostId)).toEqual(['c', 'c']);
  });

  test('that is down is on no host', async () => {
    const world = new PlacingWorld();
    await world.host('a', '10.0.0.1', NETWORK_ROLE);
    const { id } = await world.router({ adminStateUp: false });
    await world.place();
    expect((await getRouter(world.environment, id, never)).placement).toEqual({ generation: 0 });
  });
});

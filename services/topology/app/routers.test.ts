import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseHostId, parseName, type Uuid } from '#platform/net/names.ts';
import type { Network } from '../domain/network.ts';
import type { Router } from '../domain/router.ts';
import { asked, never, routerDraft, uuid, World } from '../testing/world.ts';
import { addPortInterface, addSubnetInterface } from './add-router-interface.ts';
import { createRouter } from './create-router.ts';
import { deleteHost } from './delete-host.ts';
import { deleteNetwork } from './delete-network.ts';
import { deletePort } from './delete-port.ts';
import { deleteRouter } from './delete-router.ts';
import { unasked } from './environment.ts';
import { getPort, getRouter, listRouters } from './queries.ts';
import { removeRouterInterface } from './remove-router-interface.ts';
import { runErrands } from './run-errands.ts';
import { updateNetwork } from './update-network.ts';
import { updatePort } from './update-port.ts';
import { type RouterUpdate, updateRouter } from './update-router.ts';

const a = parseHostId('id', 'a');
const b = parseHostId('id', 'b');
const ip = (text: string) => parseIp('ip', text);

interface Scene {
  readonly world: World;
  readonly outside: Network;
  readonly router: Router;
  readonly change: (patch: Partial<RouterUpdate>) => Promise<Router>;
  readonly plug: (subnetId: Uuid) => Promise<Router>;
  readonly unplug: (subnetId: Uuid) => Promise<Router>;
}

/** Two hosts of role network, and a router with its gateway on an external network. */
const scene = async (): Promise<Scene> => {
  const world = new World();
  for (const [id, vtep] of [
    ['a', '10.0.0.1'],
    ['b', '10.0.0.2'],
  ] as const)
    await world.host(id, vtep, { roles: ['network'] });
  const { network: outside } = await world.subnet('172.32.0', { external: true });
  const gateway = { networkId: outside.id, fixedIps: [], enableSnat: true };
  const router = await world.router({ name: parseName('name', 'r1'), gateway, hostId: a });
  const { environment } = world;
  return {
    world,
    outside,
    router,
    change: (patch) => updateRouter(environment, { id: router.id, etag: '', ...patch }, unasked('UpdateRouter'), never),
    plug: (subnetId) =>
      addSubnetInterface(environment, { routerId: router.id, subnetId }, unasked('AddRouterInterface'), never),
    unplug: (subnetId) =>
      removeRouterInterface(environment, { routerId: router.id, subnetId }, unasked('RemoveRouterInterface'), never),
  };
};

const portsOf = async ({ world: { environment } }: Scene, router: Router) =>
  await Promise.all(
    [...(router.gateway === undefined ? [] : [router.gateway]), ...router.interfaces].map(({ portId }) =>
      getPort(environment, portId, never),
    ),
  );

const errands = async ({ world: { environment, store } }: Scene): Promise<number> =>
  (await store.list(environment.records.errands, { limit: 100 }, never)).items.length;

describe('a router', () => {
  test('comes to be with its gateway, both of which are told of', async () => {
    const { world, outside, router } = await scene();
    expect(router).toMatchObject({ placement: { hostId: 'a', generation: 1 }, interfaces: [], routes: [] });
    expect(router.gateway?.fixedIps.map(({ ipAddress }) => ipAddress)).toEqual(['172.32.0.2']);
    const port = await getPort(world.environment, router.gateway?.portId ?? uuid(), never);
    expect(port).toMatchObject({
      networkId: outside.id,
      deviceOwner: 'network:router_gateway',
      deviceId: router.id,
      portSecurityEnabled: false,
      binding: { hostId: 'a', generation: 1, claims: {} },
      status: 'active',
    });
    expect((await world.told()).slice(-2)).toEqual([`CREATED port ${port.id}`, `CREATED router ${router.id}`]);
    expect((await listRouters(world.environment, 'r1', { limit: 5 }, never)).items).toEqual([router]);
  });

  test('has its gateway on external networks only, and is served by hosts of role network only', async () => {
    const { world } = await scene();
    const { network } = await world.subnet('10.1.0');
    const gateway = { networkId: network.id, fixedIps: [], enableSnat: true };
    await expect(world.router({ gateway })).rejects.toMatchObject({ reason: 'NETWORK_NOT_EXTERNAL' });
    await world.host('c', '10.0.0.3');
    await expect(world.router({ hostId: parseHostId('id', 'c') })).rejects.toMatchObject({
      reason: 'HOST_WITHOUT_ROLE',
    });
    const bare = await world.network({ external: true });
    await expect(world.router({ gateway: { ...gateway, networkId: bare.id } })).rejects.toMatchObject({
      reason: 'NETWORK_WITHOUT_SUBNET',
    });
    expect(world.ipam.macs.size).toBe(1);
  });

  test('is made once per request, also when the answer of ipam is lost on the way', async () => {
    const { world, outside } = await scene();
    const draft = routerDraft({ gateway: { networkId: outside.id, fixedIps: [], enableSnat: false } });
    const attempt = () => createRouter(world.environment, draft, asked('CreateRouter', uuid(), 'body'), never);
    world.ipam.losesAnswers = true;
    await expect(attempt()).rejects.toMatchObject({ code: 'unavailable' });
    world.ipam.losesAnswers = false;
    const router = await attempt();
    expect(router.gateway).toMatchObject({ enableSnat: false });
    expect(world.ipam.addresses.size).toBe(2);
    await expect(attempt()).rejects.toMatchObject({ reason: 'ROUTER_EXISTS' });
  });

  test('leaves nothing behind when the making is given up', async () => {
    const stage = await scene();
    const { world, outside } = stage;
    world.ipam.losesAnswers = true;
    const gateway = { networkId: outside.id, fixedIps: [], enableSnat: true };
    await expect(world.router({ gateway })).rejects.toMatchObject({ code: 'unavailable' });
    expect(world.ipam.addresses.size).toBe(2);
    world.ipam.losesAnswers = false;
    await world.clock.advance(11_000);
    await runErrands(world.environment, never);
    expect(world.ipam.addresses.size).toBe(1);
    expect(await errands(stage)).toBe(0);
  });

  test('takes the gateway of each subnet, and its ports go where it goes', async () => {
    const stage = await scene();
    const { world, plug, change } = stage;
    const [one, two] = [await world.subnet('10.1.0'), await world.subnet('10.2.0')];
    await plug(one.subnetId);
    const router = await plug(two.subnetId);
    expect(await plug(two.subnetId)).toEqual(router);
    expect(router.interfaces.flatMap(({ fixedIps }) => fixedIps.map(({ ipAddress }) => ipAddress)).sort()).toEqual([
      '10.1.0.1',
      '10.2.0.1',
    ]);
    const moved = await change({ hostId: b });
    expect(moved.placement).toEqual({ hostId: 'b', generation: 2 });
    for (const port of await portsOf(stage, moved)) {
      expect(port).toMatchObject({ binding: { hostId: 'b', generation: 2 }, deviceId: router.id });
    }
    const down = await change({ adminStateUp: false });
    expect(down.placement).toEqual({ generation: 3 });
    for (const port of await portsOf(stage, down)) expect(port.binding.hostId).toBeUndefined();
    await expect(change({ hostId: a })).rejects.toMatchObject({ code: 'invalid' });
  });

  test('has no two subnets that overlap, its gateway included', async () => {
    const { world, plug, router } = await scene();
    const [one, two, three] = [
      await world.subnet('10.1.0'),
      await world.subnet('10.1.0'),
      await world.subnet('172.32.0'),
    ];
    await plug(one.subnetId);
    for (const { subnetId } of [two, three]) {
      await expect(plug(subnetId)).rejects.toMatchObject({ code: 'precondition', reason: 'SUBNETS_OVERLAP' });
    }
    expect((await getRouter(world.environment, router.id, never)).interfaces).toHaveLength(1);
  });

  test('does not take an address that another port has', async () => {
    const stage = await scene();
    const { network, subnetId } = await stage.world.subnet('10.1.0');
    await stage.world.port(network.id, { fixedIps: [{ ipAddress: ip('10.1.0.1') }] });
    await expect(stage.plug(subnetId)).rejects.toMatchObject({ reason: 'ADDRESS_IN_USE' });
    expect(await errands(stage)).toBe(0);
  });

  test('takes a port that nobody has, with the addresses it has', async () => {
    const stage = await scene();
    const { world, router } = stage;
    const { network, subnetId } = await world.subnet('10.1.0');
    const [free, used] = [
      await world.port(network.id, { fixedIps: [{ ipAddress: ip('10.1.0.254') }] }),
      await world.port(network.id, { deviceId: parseName('device', 'vm') }),
    ];
    const add = (portId: Uuid) =>
      addPortInterface(world.environment, { routerId: router.id, portId }, unasked('AddRouterInterface'), never);
    await expect(add(used.id)).rejects.toMatchObject({ reason: 'PORT_IN_USE' });
    const after = await add(free.id);
    expect(await add(free.id)).toEqual(after);
    expect(after.interfaces).toEqual([
      {
        portId: free.id,
        networkId: network.id,
        fixedIps: free.fixedIps,
        subnets: [{ id: subnetId, cidr: '10.1.0.0/24' }],
      },
    ]);
    expect(await getPort(world.environment, free.id, never)).toMatchObject({
      deviceOwner: 'network:router_interface',
      portSecurityEnabled: false,
      binding: { hostId: 'a' },
    });
  });

  test("keeps its ports from others' hands, and networks from going while it is there", async () => {
    const stage = await scene();
    const { world, outside, plug } = stage;
    const { network, subnetId } = await world.subnet('10.1.0');
    const router = await plug(subnetId);
    for (const { id } of await portsOf(stage, router)) {
      await expect(deletePort(world.environment, { id, etag: '' }, unasked('DeletePort'), never)).rejects.toMatchObject(
        { code: 'precondition', reason: 'PORT_IN_USE' },
      );
      const bind = { id, etag: '', settings: {}, place: b };
      await expect(updatePort(world.environment, bind, unasked('UpdatePort'), never)).rejects.toMatchObject({
        reason: 'PORT_IN_USE',
      });
      const named = { id, etag: '', settings: { name: parseName('name', 'way') } };
      expect((await updatePort(world.environment, named, unasked('UpdatePort'), never)).name).toBe('way');
    }
    const remove = deleteNetwork(world.environment, { id: network.id, etag: '' }, unasked('DeleteNetwork'), never);
    await expect(remove).rejects.toMatchObject({ reason: 'NETWORK_IN_USE' });
    const inward = updateNetwork(
      world.environment,
      { id: outside.id, etag: '', settings: { external: false } },
      unasked('UpdateNetwork'),
      never,
    );
    await expect(inward).rejects.toMatchObject({ reason: 'NETWORK_IN_USE' });
  });

  test('has routes only by next hops it sees, and keeps the interfaces that they need', async () => {
    const { world, plug, unplug, change } = await scene();
    const { subnetId } = await world.subnet('10.1.0');
    const routes = [{ destination: '10.9.0.0/16', nexthop: ip('10.1.0.7') }];
    await expect(change({ routes })).rejects.toMatchObject({ code: 'invalid' });
    await plug(subnetId);
    expect((await change({ routes })).routes).toEqual(routes);
    await expect(unplug(subnetId)).rejects.toMatchObject({ reason: 'ROUTER_IN_USE' });
    await change({ routes: [] });
    expect((await unplug(subnetId)).interfaces).toEqual([]);
    await expect(unplug(subnetId)).rejects.toMatchObject({ reason: 'ROUTER_INTERFACE_NOT_FOUND' });
  });

  test('changes its gateway in one step, and gives the old address back', async () => {
    const stage = await scene();
    const { world, router, change } = stage;
    const { network: other } = await world.subnet('172.33.0', { external: true });
    const quiet = await change({ gateway: { networkId: stage.outside.id, fixedIps: [], enableSnat: false } });
    expect(quiet.gateway).toEqual({ ...router.gateway, enableSnat: false });
    const gateway = { networkId: other.id, fixedIps: [{ ipAddress: ip('172.33.0.9') }], enableSnat: true };
    const moved = await change({ gateway });
    expect(moved.gateway?.fixedIps.map(({ ipAddress }) => ipAddress)).toEqual(['172.33.0.9']);
    await expect(getPort(world.environment, router.gateway?.portId ?? uuid(), never)).rejects.toMatchObject({
      reason: 'PORT_NOT_FOUND',
    });
    expect([...world.ipam.addresses.keys()]).toEqual(['172.33.0.9']);
    const again = await change({ gateway: { ...gateway, fixedIps: [{ ipAddress: ip('172.33.0.10') }] } });
    expect(again.gateway?.portId).not.toBe(moved.gateway?.portId);
    expect((await change({ gateway: null })).gateway).toBeUndefined();
    expect(world.ipam.addresses.size).toBe(0);
    expect(await errands(stage)).toBe(0);
  });

  test('goes with its gateway, once it has no interface, and its host is free then', async () => {
    const { world, router, plug, unplug } = await scene();
    const { environment } = world;
    const { subnetId } = await world.subnet('10.1.0');
    await plug(subnetId);
    const remove = () => deleteRouter(environment, { id: router.id, etag: '' }, unasked('DeleteRouter'), never);
    await expect(remove()).rejects.toMatchObject({ code: 'precondition', reason: 'ROUTER_IN_USE' });
    const host = (force: boolean) => deleteHost(environment, { id: a, etag: '', force }, unasked('DeleteHost'), never);
    await expect(host(false)).rejects.toMatchObject({ reason: 'HOST_IN_USE' });
    await host(true);
    expect((await getRouter(environment, router.id, never)).placement).toEqual({ generation: 2 });
    await unplug(subnetId);
    await remove();
    expect(world.ipam.addresses.size).toBe(0);
    expect(world.ipam.macs.size).toBe(0);
    expect((await world.told()).at(-1)).toMatch(/^DELETED port /);
    await expect(getRouter(environment, router.id, never)).rejects.toMatchObject({ reason: 'ROUTER_NOT_FOUND' });
  });

  test('is only checked where that is all that is asked for', async () => {
    const { world, outside, router } = await scene();
    const { environment } = world;
    const { subnetId } = await world.subnet('10.1.0');
    const before = await world.told();
    const only = (cause: string) => asked(cause, '', '', true);
    const draft = routerDraft({ gateway: { networkId: outside.id, fixedIps: [], enableSnat: true } });
    await createRouter(environment, draft, only('CreateRouter'), never);
    await addSubnetInterface(environment, { routerId: router.id, subnetId }, only('AddRouterInterface'), never);
    await updateRouter(environment, { id: router.id, etag: '', gateway: null }, only('UpdateRouter'), never);
    await deleteRouter(environment, { id: router.id, etag: '' }, only('DeleteRouter'), never);
    expect(await world.told()).toEqual(before);
    expect(world.ipam.addresses.size).toBe(1);
    expect(await getRouter(environment, router.id, never)).toEqual(router);
  });
});

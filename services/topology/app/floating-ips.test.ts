import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import { asked, never, uuid, World } from '../testing/world.ts';
import { addSubnetInterface } from './add-router-interface.ts';
import { deletePort } from './delete-port.ts';
import { unasked } from './environment.ts';
import { createFloatingIp, deleteFloatingIp, type FloatingIpDraft, updateFloatingIp } from './floating-ips.ts';
import { getFloatingIp, getPort } from './queries.ts';
import { removeRouterInterface } from './remove-router-interface.ts';
import { updateRouter } from './update-router.ts';

const ip = (text: string) => parseIp('ip', text);

/** A router between an external network and one inside, and a guest's port there. */
const scene = async () => {
  const world = new World();
  const { environment } = world;
  const { network: outside } = await world.subnet('172.32.0', { external: true });
  const { network: inside, subnetId } = await world.subnet('10.1.0');
  const router = await world.router({ gateway: { networkId: outside.id, fixedIps: [], enableSnat: true } });
  const choice = { routerId: router.id, subnetId };
  await addSubnetInterface(environment, choice, unasked('AddRouterInterface'), never);
  const port = await world.port(inside.id);
  return {
    world,
    environment,
    outside,
    inside,
    subnetId,
    router,
    port,
    create: (rest: Partial<FloatingIpDraft> = {}) =>
      createFloatingIp(
        environment,
        { id: uuid(), floatingNetworkId: outside.id, ...rest },
        unasked('CreateFloatingIp'),
        never,
      ),
    lead: ({ id }: FloatingIp, portId: Uuid | null) =>
      updateFloatingIp(environment, { id, etag: '', portId }, unasked('UpdateFloatingIp'), never),
    unplug: () => removeRouterInterface(environment, choice, unasked('RemoveRouterInterface'), never),
  };
};

describe('a floating IP', () => {
  test('takes an address of the external network, held by a port bound nowhere', async () => {
    const { world, environment, outside, create } = await scene();
    const next = await create();
    expect(next).toMatchObject({ floatingNetworkId: outside.id, floatingAddress: '172.32.0.3' });
    expect(next.target).toBeUndefined();
    const chosen = await create({ floatingAddress: ip('172.32.0.100') });
    expect(chosen.floatingAddress).toBe('172.32.0.100');
    const holding = await getPort(environment, chosen.holdingPortId, never);
    expect(holding).toMatchObject({
      deviceOwner: 'network:floatingip',
      deviceId: chosen.id,
      binding: { generation: 0 },
      portSecurityEnabled: false,
    });
    await expect(create({ floatingAddress: ip('172.32.0.100') })).rejects.toMatchObject({ reason: 'ADDRESS_IN_USE' });
    await expect(
      deletePort(environment, { id: chosen.holdingPortId, etag: '' }, unasked('DeletePort'), never),
    ).rejects.toMatchObject({ reason: 'PORT_IN_USE' });
    const inside = await world.network();
    await expect(create({ floatingNetworkId: inside.id })).rejects.toMatchObject({ reason: 'NETWORK_NOT_EXTERNAL' });
  });

  test('leads to a port by the router between the two, moves, and leads nowhere', async () => {
    const { world, inside, subnetId, router, port, create, lead } = await scene();
    const other = await world.port(inside.id);
    const made = await create({ target: { portId: port.id } });
    expect(made.target).toEqual({ portId: port.id, subnetId, address: '10.1.0.2', routerId: router.id });
    expect((await lead(made, other.id)).target).toMatchObject({ portId: other.id, address: '10.1.0.3' });
    const second = await create({ target: { portId: port.id } });
    expect(second.target?.portId).toBe(port.id);
    await expect(lead(second, other.id)).rejects.toMatchObject({ code: 'exists', reason: 'FIXED_IP_IN_USE' });
    expect((await lead(made, null)).target).toBeUndefined();
    expect((await lead(second, other.id)).target?.portId).toBe(other.id);
    expect((await world.told()).at(-1)).toBe(`UPDATED floating_ip ${second.id}`);
  });

  test('needs a router that sees both sides', async () => {
    const { world, port, create } = await scene();
    const { network: far } = await world.subnet('10.2.0');
    const { network: elsewhere } = await world.subnet('172.33.0', { external: true });
    const farther = await world.port(far.id);
    const cases = [
      { target: { portId: farther.id } },
      { floatingNetworkId: elsewhere.id, target: { portId: port.id } },
    ];
    for (const rest of cases) {
      await expect(create(rest)).rejects.toMatchObject({ code: 'precondition', reason: 'NO_ROUTER' });
    }
    await expect(create({ target: { portId: uuid() } })).rejects.toMatchObject({ reason: 'PORT_NOT_FOUND' });
    const chosen = { portId: port.id, address: ip('10.1.0.99') };
    await expect(create({ target: chosen })).rejects.toMatchObject({ code: 'invalid' });
    // Whatever was taken for them was given back.
    expect([...world.ipam.addresses.keys()].filter((address) => address.startsWith('172.'))).toEqual(['172.32.0.2']);
  });

  test('keeps its way: neither interface nor gateway go while it leads through them', async () => {
    const { environment, router, port, create, lead, unplug } = await scene();
    const made = await create({ target: { portId: port.id } });
    const closed = () =>
      updateRouter(environment, { id: router.id, etag: '', gateway: null }, unasked('UpdateRouter'), never);
    await expect(unplug()).rejects.toMatchObject({ code: 'precondition', reason: 'ROUTER_IN_USE' });
    await expect(closed()).rejects.toMatchObject({ code: 'precondition', reason: 'ROUTER_IN_USE' });
    await lead(made, null);
    expect((await unplug()).interfaces).toEqual([]);
    expect((await closed()).gateway).toBeUndefined();
  });

  test('found by an index or not, is not led through what goes at the same moment', async () => {
    const { environment, port, create, lead, unplug } = await scene();
    const made = await create();
    const [led, unplugged] = await Promise.allSettled([lead(made, port.id), unplug()]);
    expect([led.status, unplugged.status].filter((status) => status === 'fulfilled')).toHaveLength(1);
    const after = await getFloatingIp(environment, made.id, never);
    expect(after.target !== undefined).toBe(led.status === 'fulfilled');
  });

  test('leads nowhere once its port is gone, and gives its address back in the end', async () => {
    const { world, environment, port, create } = await scene();
    const made = await create({ target: { portId: port.id } });
    await deletePort(environment, { id: port.id, etag: '' }, unasked('DeletePort'), never);
    expect((await getFloatingIp(environment, made.id, never)).target).toBeUndefined();
    await deleteFloatingIp(environment, { id: made.id, etag: '' }, asked('DeleteFloatingIp', '', '', true), never);
    await deleteFloatingIp(environment, { id: made.id, etag: '' }, unasked('DeleteFloatingIp'), never);
    await expect(getFloatingIp(environment, made.id, never)).rejects.toMatchObject({
      reason: 'FLOATING_IP_NOT_FOUND',
    });
    expect([...world.ipam.addresses.keys()].sort()).toEqual(['10.1.0.1', '172.32.0.2']);
    const { items } = await environment.store.list(environment.records.reservations, { limit: 100 }, never);
    expect(items.filter(({ value }) => value.holder === made.id)).toEqual([]);
  });
});

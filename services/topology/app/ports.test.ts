import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseHostId, parseName, tapName, type Uuid } from '#platform/net/names.ts';
import { asked, never, portDraft, uuid, World } from '../testing/world.ts';
import { createPort } from './create-port.ts';
import { deletePort } from './delete-port.ts';
import { unasked } from './environment.ts';
import { getPort, listPorts } from './queries.ts';
import { reportPortDown, reportPortFailed } from './report-port-down.ts';
import { reportPortUp } from './report-port-up.ts';
import { runErrands } from './run-errands.ts';
import { updatePort } from './update-port.ts';

const a = parseHostId('id', 'a');
const b = parseHostId('id', 'b');
const mac = parseMac('mac', '52:54:00:aa:00:02');
const host = parseMac('mac', 'fe:54:00:aa:00:02');

const worldWithHosts = async (): Promise<World> => {
  const world = new World();
  await world.host('a', '10.0.0.1');
  await world.host('b', '10.0.0.2');
  return world;
};

const errands = async ({ environment, store }: World): Promise<number> =>
  (await store.list(environment.records.errands, { limit: 100 }, never)).items.length;

describe('creating a port', () => {
  test('takes a MAC address and addresses, and follows its network in what it does not say', async () => {
    const world = new World();
    const network = await world.network({ portSecurityEnabled: false });
    world.ipam.addSubnet(network.id, uuid(), '10.1.0');
    const port = await world.port(network.id);
    expect(port).toMatchObject({
      status: 'build',
      portSecurityEnabled: false,
      revision: 1,
      binding: { generation: 0 },
    });
    expect(port.fixedIps.map(({ ipAddress }) => ipAddress)).toEqual(['10.1.0.2']);
    expect(await getPort(world.environment, port.id, never)).toEqual(port);
    expect(await errands(world)).toBe(0);
    expect((await world.told()).at(-1)).toBe(`CREATED port ${port.id}`);
  });

  test('in a network without subnets gives a port without addresses', async () => {
    const world = new World();
    expect((await world.port((await world.network()).id)).fixedIps).toEqual([]);
  });

  test('bound to a host at once needs no device', async () => {
    const world = await worldWithHosts();
    const network = await world.network();
    const port = await world.port(network.id, { hostId: a });
    expect(port).toMatchObject({ status: 'active', binding: { hostId: 'a', generation: 1 } });
    expect((await world.last())?.vtep).toEqual({ host_id: 'a', address: '10.0.0.1', udp_port: 4789 });
    const refusal = world.port(network.id, { hostId: parseHostId('id', 'nowhere') });
    await expect(refusal).rejects.toMatchObject({ reason: 'HOST_NOT_FOUND' });
  });

  test('twice by the same request gives the same port; by another body is refused', async () => {
    const world = new World();
    const { environment } = world;
    const draft = portDraft((await world.network()).id);
    const mutation = asked('CreatePort', uuid(), 'body');
    const [first, second] = await Promise.all([
      createPort(environment, draft, mutation, never),
      createPort(environment, draft, mutation, never),
    ]);
    expect(second).toEqual(first);
    expect(await createPort(environment, draft, mutation, never)).toEqual(first);
    const other = asked('CreatePort', mutation.request.requestId, 'another body');
    await expect(createPort(environment, draft, other, never)).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
    await expect(world.port(draft.networkId, { id: draft.id })).rejects.toMatchObject({ reason: 'PORT_EXISTS' });
    expect(world.ipam.held).toEqual([first.id, first.networkId].sort());
    expect((await world.told()).filter((line) => line.includes('port'))).toHaveLength(1);
  });

  test('gives back what it had got when the rest is refused', async () => {
    const world = new World();
    const network = await world.network();
    world.ipam.addSubnet(network.id, uuid(), '10.1.0');
    const taken = await world.port(network.id);
    const wish = taken.fixedIps[0]?.ipAddress ?? parseIp('ip', '10.1.0.2');
    await expect(world.port(network.id, { fixedIps: [{ ipAddress: wish }] })).rejects.toMatchObject({
      reason: 'ADDRESS_IN_USE',
    });
    expect(world.ipam.held).toEqual([network.id, taken.id].sort());
    expect(await errands(world)).toBe(0);
  });

  test('that nobody finishes is undone when its time is over, not before', async () => {
    const world = new World();
    const { environment, ipam, clock } = world;
    const network = await world.network();
    ipam.losesAnswers = true;
    await expect(world.port(network.id)).rejects.toMatchObject({ code: 'unavailable' });
    await clock.advance(9_999);
    await runErrands(environment, never);
    expect(ipam.held).toHaveLength(2);
    await clock.advance(1);
    await Promise.all([runErrands(environment, never), runErrands(environment, never)]);
    expect(ipam.held).toEqual([network.id]);
    expect(await errands(world)).toBe(0);
  });

  test('that was undone because it took too long fails, and its port holds nothing', async () => {
    const world = new World();
    const { environment, ipam, clock } = world;
    const network = await world.network();
    const gate = Promise.withResolvers<void>();
    ipam.before = () => gate.promise;
    const creating = world.port(network.id);
    const refusal = expect(creating).rejects.toMatchObject({ code: 'conflict', reason: 'CREATION_UNDONE' });
    // The errand is there before IPAM is asked.
    while ((await errands(world)) === 0) await new Promise(setImmediate);
    await clock.advance(10_000);
    ipam.before = () => Promise.resolve();
    await runErrands(environment, never);
    gate.resolve();
    await refusal;
    expect((await listPorts(environment, { by: 'all' }, { limit: 10 }, never)).items).toEqual([]);
  });

  test('is done by a retry after IPAM was away', async () => {
    const world = new World();
    const { environment, ipam } = world;
    const draft = portDraft((await world.network()).id);
    const mutation = asked('CreatePort', uuid(), 'body');
    ipam.away = true;
    await expect(createPort(environment, draft, mutation, never)).rejects.toMatchObject({ code: 'unavailable' });
    ipam.away = false;
    expect(await createPort(environment, draft, mutation, never)).toMatchObject({ id: draft.id });
    expect(await errands(world)).toBe(0);
  });

  test('for validation only checks everything and changes nothing', async () => {
    const world = new World();
    const { environment, ipam } = world;
    const network = await world.network();
    ipam.addSubnet(network.id, uuid(), '10.1.0');
    const before = await world.told();
    const check = asked('CreatePort', '', '', true);
    const port = await createPort(environment, portDraft(network.id), check, never);
    expect(port.fixedIps).toHaveLength(1);
    await expect(createPort(environment, portDraft(uuid()), check, never)).rejects.toMatchObject({
      reason: 'NETWORK_NOT_FOUND',
    });
    expect(await world.told()).toEqual(before);
    expect(ipam.held).toEqual([network.id]);
    expect(await errands(world)).toBe(0);
  });

  test('never leaves a lease without a port or a port without its lease, whatever fails on the way', async () => {
    const step = fc.constantFrom('create', 'retry', 'delete', 'away', 'back', 'lost', 'wait');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const world = new World();
        const { environment, ipam, clock } = world;
        const network = await world.network();
        ipam.addSubnet(network.id, uuid(), '10.1.0');
        const draft = portDraft(network.id);
        let mutation = asked('CreatePort', uuid(), 'body');
        for (const one of steps) {
          if (one === 'create') mutation = asked('CreatePort', uuid(), 'body');
          if (one === 'create' || one === 'retry') {
            await createPort(environment, draft, mutation, never).catch(() => undefined);
          }
          if (one === 'delete') {
            await deletePort(environment, { id: draft.id, etag: '' }, unasked('DeletePort'), never).catch(
              () => undefined,
            );
          }
          if (one === 'wait') {
            await clock.advance(10_000);
            await runErrands(environment, never);
          }
          ipam.away = one === 'away' || (ipam.away && one !== 'back');
          ipam.losesAnswers = one === 'lost' || (ipam.losesAnswers && one !== 'back');
        }
        ipam.away = false;
        ipam.losesAnswers = false;
        await clock.advance(10_000);
        await runErrands(environment, never);
        const ports = (await listPorts(environment, { by: 'all' }, { limit: 10 }, never)).items;
        expect(ipam.held).toEqual([network.id, ...ports.map(({ id }) => id)].sort());
        for (const port of ports) {
          expect(ipam.addresses.get(port.fixedIps[0]?.ipAddress ?? parseIp('ip', '0.0.0.0'))?.owner).toBe(port.id);
        }
        expect(await errands(world)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe('deleting a port', () => {
  test('gives its addresses back and tells its last state, bound or not', async () => {
    const world = await worldWithHosts();
    const { environment, hints } = world;
    const network = await world.network();
    const { id } = await world.port(network.id);
    const { port } = await reportPortUp(environment, hints, { hostId: a, device: tapName(id) }, never);
    await deletePort(environment, { id, etag: '' }, unasked('DeletePort'), never);
    const event = await world.last();
    expect(event).toMatchObject({ kind: 'CHANGE_KIND_DELETED', cause: 'DeletePort', vtep: { host_id: 'a' } });
    expect(event?.resource?.value).toMatchObject({
      id,
      binding_host_id: 'a',
      revision_number: (port.revision + 1).toString(),
    });
    expect(world.ipam.held).toEqual([network.id]);
    await expect(reportPortUp(environment, hints, { hostId: a, device: tapName(id) }, never)).rejects.toMatchObject({
      reason: 'PORT_UNKNOWN',
    });
    expect(await reportPortDown(environment, { hostId: a, portId: id, generation: 1 }, never)).toBe(false);
  });

  test('with IPAM away is done, and the addresses follow', async () => {
    const world = new World();
    const { environment, ipam, clock } = world;
    const network = await world.network();
    const { id } = await world.port(network.id);
    ipam.away = true;
    await deletePort(environment, { id, etag: '' }, unasked('DeletePort'), never);
    expect(ipam.held).toContain(id);
    // Its id cannot be used again before: the release would take the new one's addresses.
    await expect(world.port(network.id, { id })).rejects.toMatchObject({ reason: 'STILL_RELEASING' });
    ipam.away = false;
    await clock.advance(10_000);
    expect(await world.port(network.id, { id })).toMatchObject({ id });
    await runErrands(environment, never);
    expect(ipam.held).toContain(id);
  });
});

describe('a device', () => {
  const other = parseMac('mac', '52:54:00:aa:00:03');
  interface Made {
    readonly networkId: Uuid;
    readonly portId: Uuid;
  }
  const cases: readonly (readonly [string, (made: Made) => object, string])[] = [
    ['a port id', ({ portId }) => ({ portId }), 'found'],
    ['a tap of the port’s id', ({ portId }) => ({ device: tapName(portId) }), 'found'],
    ['an unknown port id, but the MAC address', ({ networkId }) => ({ portId: uuid(), mac, networkId }), 'found'],
    ['the MAC address in its network', ({ networkId }) => ({ device: 'vnet0', mac, networkId }), 'found'],
    ['the host’s side of that MAC address', ({ networkId }) => ({ device: 'vnet0', mac: host, networkId }), 'found'],
    ['the MAC address without a network', () => ({ device: 'vnet0', mac }), 'unknown'],
    ['the MAC address in another network', () => ({ device: 'vnet0', mac, networkId: uuid() }), 'unknown'],
    ['another MAC address', ({ networkId }) => ({ device: 'vnet0', mac: other, networkId }), 'unknown'],
    ['nothing known', () => ({ device: 'tap00000000-00' }), 'unknown'],
  ];

  test.each(cases.map(([name, report, outcome]) => ({ name, report, outcome })))(
    'with $name is $outcome',
    async ({ report, outcome }) => {
      const world = await worldWithHosts();
      const network = await world.network();
      const { id } = await world.port(network.id, { mac });
      const full = { hostId: a, device: '', ...report({ networkId: network.id, portId: id }) };
      const reporting = reportPortUp(world.environment, world.hints, full, never);
      if (outcome === 'found')
        expect(await reporting).toMatchObject({ port: { id }, network: { id: network.id }, rebound: true });
      else await expect(reporting).rejects.toMatchObject({ code: 'not_found', reason: 'PORT_UNKNOWN' });
    },
  );

  test('that fits two ports is none of them', async () => {
    const world = await worldWithHosts();
    const { environment, hints } = world;
    const network = await world.network();
    const first = '11111111-1111-4111-8111-111111111111' as Uuid;
    await world.port(network.id, { id: first, mac });
    const report = { hostId: a, device: tapName(first) };
    expect((await reportPortUp(environment, hints, report, never)).port.id).toBe(first);
    await world.port(network.id, {
      id: '11111111-1111-4111-8111-111111111112' as Uuid,
      mac: parseMac('mac', '02:54:00:aa:00:02'),
    });
    await expect(reportPortUp(environment, hints, report, never)).rejects.toMatchObject({ reason: 'PORT_UNKNOWN' });
    const tail = { hostId: a, device: 'vnet0', mac: host, networkId: network.id };
    await expect(reportPortUp(environment, hints, tail, never)).rejects.toMatchObject({ reason: 'PORT_UNKNOWN' });
  });

  test('becomes a port of its own where the network allows that, one however often it is reported', async () => {
    const world = await worldWithHosts();
    const { environment, hints, ipam } = world;
    const network = await world.network({ autoPorts: true });
    ipam.addSubnet(network.id, uuid(), '10.1.0');
    const report = { hostId: a, device: 'vnet0', mac, networkId: network.id };
    const answers = await Promise.all([1, 2, 3].map(() => reportPortUp(environment, hints, report, never)));
    expect(new Set(answers.map(({ port }) => port.id)).size).toBe(1);
    expect(answers[0]?.port).toMatchObject({
      mac,
      name: 'vnet0',
      status: 'active',
      binding: { hostId: 'a', generation: 1 },
    });
    expect(answers[0]?.port.fixedIps).toHaveLength(1);
    const moved = await reportPortUp(environment, hints, { ...report, hostId: b, device: 'vnet7' }, never);
    expect(moved).toMatchObject({ rebound: true, port: { id: answers[0]?.port.id, binding: { hostId: 'b' } } });
    await expect(
      reportPortUp(environment, hints, { ...report, mac: parseMac('m', 'fe:54:00:00:00:09') }, never),
    ).rejects.toMatchObject({ reason: 'PORT_UNKNOWN' });
  });

  test('of a host nobody knows is refused, so that its agent registers', async () => {
    const world = new World();
    const { id } = await world.port((await world.network()).id);
    await expect(
      reportPortUp(world.environment, world.hints, { hostId: a, device: tapName(id) }, never),
    ).rejects.toMatchObject({
      reason: 'HOST_NOT_FOUND',
    });
  });

  test('the guest that the host tells of becomes its device_id, unless its creator said otherwise', async () => {
    const world = await worldWithHosts();
    const { environment, hints } = world;
    const { id } = await world.port((await world.network()).id);
    const report = { hostId: a, device: tapName(id) };
    await reportPortUp(environment, hints, report, never);
    const told = (await world.told()).length;
    const vm = parseName('vm_id', '5c1c0c3a-0000-4000-8000-000000000001');
    expect((await reportPortUp(environment, hints, { ...report, vmId: vm }, never)).port.deviceId).toBe(vm);
    expect((await world.told()).length).toBe(told + 1);
    const other = parseName('vm_id', 'another');
    expect((await reportPortUp(environment, hints, { ...report, vmId: other }, never)).port.deviceId).toBe(vm);
    expect((await world.told()).length).toBe(told + 1);
  });

  test('reported again writes and tells nothing', async () => {
    const world = await worldWithHosts();
    const { environment, hints, store } = world;
    const { id } = await world.port((await world.network()).id);
    const report = { hostId: a, device: tapName(id) };
    const first = await reportPortUp(environment, hints, report, never);
    const before = await store.get(environment.records.ports, id, never);
    const told = await world.told();
    const again = await reportPortUp(environment, hints, report, never);
    expect(again).toEqual({ ...first, rebound: false });
    expect(await store.get(environment.records.ports, id, never)).toEqual(before);
    expect(await world.told()).toEqual(told);
  });
});

describe('a port', () => {
  test('moves with a live migration, and what others do not see stays quiet', async () => {
    const world = await worldWithHosts();
    const { environment, hints } = world;
    const { id } = await world.port((await world.network()).id);
    const up = (hostId: typeof a) => reportPortUp(environment, hints, { hostId, device: tapName(id) }, never);
    await up(a);
    const moved = await up(b);
    expect(moved).toMatchObject({ rebound: true, port: { binding: { hostId: 'b', generation: 2 } } });
    expect((await world.last())?.vtep?.address).toBe('10.0.0.2');
    const told = await world.told();
    expect(await reportPortDown(environment, { hostId: a, portId: id, generation: 1 }, never)).toBe(false);
    expect(await up(b)).toMatchObject({ rebound: false, port: { revision: moved.port.revision } });
    expect(await world.told()).toEqual(told);
    expect(await reportPortDown(environment, { hostId: b, portId: id, generation: 2 }, never)).toBe(true);
    expect(await getPort(environment, id, never)).toMatchObject({ status: 'down', binding: { generation: 3 } });
    expect((await world.last())?.vtep).toBeUndefined();
  });

  test('that its host refuses is in error until that host succeeds', async () => {
    const world = await worldWithHosts();
    const { environment, hints } = world;
    const { id } = await world.port((await world.network()).id);
    const report = { hostId: a, device: tapName(id) };
    await reportPortUp(environment, hints, report, never);
    const word = { hostId: a, portId: id, generation: 1 };
    expect(await reportPortFailed(environment, word, 'flat networks are not served', never)).toBe(true);
    expect(await reportPortFailed(environment, word, 'flat networks are not served', never)).toBe(false);
    expect(await reportPortFailed(environment, { ...word, hostId: b }, 'not mine', never)).toBe(false);
    expect((await world.last())?.resource?.value).toMatchObject({
      status: 'STATUS_ERROR',
      status_message: 'flat networks are not served',
    });
    expect(await reportPortUp(environment, hints, report, never)).toMatchObject({
      rebound: false,
      port: { status: 'active' },
    });
  });

  test('is changed, bound and unbound by an operator who knows it as it is', async () => {
    const world = await worldWithHosts();
    const { environment } = world;
    const { id } = await world.port((await world.network()).id);
    const update = (etag: string, rest: object) =>
      updatePort(environment, { id, etag, settings: {}, ...rest }, unasked('UpdatePort'), never);
    const bound = await update('"1"', { place: a, settings: { name: parseName('name', 'web') } });
    expect(bound).toMatchObject({
      name: 'web',
      status: 'active',
      revision: 2,
      binding: { hostId: 'a', generation: 1 },
    });
    await expect(update('"1"', { place: b })).rejects.toMatchObject({ reason: 'ETAG_MISMATCH' });
    await expect(update('', { place: parseHostId('id', 'c') })).rejects.toMatchObject({ reason: 'HOST_NOT_FOUND' });
    expect(await update('', { settings: { adminStateUp: false } })).toMatchObject({
      status: 'down',
      binding: { hostId: 'a' },
    });
    expect(await update('', { settings: { adminStateUp: true } })).toMatchObject({ status: 'active' });
    const unbound = await update('', { place: null });
    expect(unbound).toMatchObject({ status: 'down', binding: { generation: 2 } });
    expect(await update('', { place: null })).toEqual(unbound);
  });

  test('is listed by network, host or name', async () => {
    const world = await worldWithHosts();
    const { environment } = world;
    const [one, two] = [await world.network(), await world.network()];
    const name = parseName('name', 'web: 1/a');
    const first = await world.port(one.id, { hostId: a, name });
    const second = await world.port(two.id, { hostId: b });
    const ids = async (filter: Parameters<typeof listPorts>[1]) =>
      (await listPorts(environment, filter, { limit: 10 }, never)).items.map(({ id }) => id);
    expect(await ids({ by: 'network', id: one.id })).toEqual([first.id]);
    expect(await ids({ by: 'host', id: b })).toEqual([second.id]);
    expect(await ids({ by: 'name', name })).toEqual([first.id]);
    expect(await ids({ by: 'all' })).toEqual([first.id, second.id].sort());
    await updatePort(environment, { id: first.id, etag: '', settings: {}, place: b }, unasked('UpdatePort'), never);
    expect(await ids({ by: 'host', id: a })).toEqual([]);
  });
});

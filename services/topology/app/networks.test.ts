import { describe, expect, test } from 'vitest';
import { parseHostId, parseName } from '#platform/net/names.ts';
import { asked, networkDraft, never, uuid, World } from '../testing/world.ts';
import { createNetwork } from './create-network.ts';
import { deleteNetwork } from './delete-network.ts';
import { unasked } from './environment.ts';
import { getNetwork, getPort, listNetworks, listPorts } from './queries.ts';
import { runErrands } from './run-errands.ts';
import { updateNetwork } from './update-network.ts';

describe('a network', () => {
  test('gets the next free VNI, or the one asked for, and gives it back with its deletion', async () => {
    const world = new World();
    const { environment, ipam } = world;
    const [first, chosen] = [await world.network(), await world.network({ segmentationId: 5_000 })];
    expect([first.segmentationId, chosen.segmentationId]).toEqual([1, 5_000]);
    await expect(world.network({ segmentationId: 5_000 })).rejects.toMatchObject({ reason: 'SEGMENT_IN_USE' });
    await deleteNetwork(environment, { id: chosen.id, etag: '' }, unasked('DeleteNetwork'), never);
    expect(ipam.held).toEqual([first.id]);
    expect((await world.last())?.kind).toBe('CHANGE_KIND_DELETED');
    await expect(getNetwork(environment, chosen.id, never)).rejects.toMatchObject({ reason: 'NETWORK_NOT_FOUND' });
  });

  test('is created once per request, also when its answer was lost', async () => {
    const world = new World();
    const { environment, ipam } = world;
    const draft = networkDraft();
    const mutation = asked('CreateNetwork', uuid(), 'body');
    ipam.losesAnswers = true;
    await expect(createNetwork(environment, draft, mutation, never)).rejects.toMatchObject({ code: 'unavailable' });
    ipam.losesAnswers = false;
    const made = await createNetwork(environment, draft, mutation, never);
    expect(await createNetwork(environment, draft, mutation, never)).toEqual(made);
    await expect(world.network({ id: draft.id })).rejects.toMatchObject({ reason: 'NETWORK_EXISTS' });
    expect(ipam.held).toEqual([draft.id]);
  });

  test('of type flat has its physical network to itself, and no segmentation id', async () => {
    const world = new World();
    const flat = { type: 'flat', physicalNetwork: 'provider' } as const;
    const first = await world.network(flat);
    expect(first.segmentationId).toBe(0);
    await expect(world.network(flat)).rejects.toMatchObject({ reason: 'PHYSICAL_NETWORK_IN_USE' });
    await deleteNetwork(world.environment, { id: first.id, etag: '' }, unasked('DeleteNetwork'), never);
    await world.network(flat);
  });

  test('taken down takes its ports down, and up again; ports made meanwhile know it already', async () => {
    const world = new World();
    const { environment } = world;
    await world.host('a', '10.0.0.1');
    const { id } = await world.network();
    const hostId = parseHostId('id', 'a');
    const ports = await Promise.all(Array.from({ length: 20 }, () => world.port(id, { hostId })));
    const unboundPort = await world.port(id);
    const set = (adminStateUp: boolean) =>
      updateNetwork(environment, { id, etag: '', settings: { adminStateUp } }, unasked('UpdateNetwork'), never);
    const statuses = async () =>
      new Set(
        (await listPorts(environment, { by: 'host', id: hostId }, { limit: 100 }, never)).items.map(
          ({ status }) => status,
        ),
      );
    await set(false);
    const late = await world.port(id, { hostId });
    expect(late.status).toBe('down');
    expect(world.rings).toBeGreaterThan(0);
    await Promise.all([runErrands(environment, never), runErrands(environment, never)]);
    expect(await statuses()).toEqual(new Set(['down']));
    expect((await getPort(environment, unboundPort.id, never)).status).toBe('build');
    const restated = (await world.events()).filter(({ cause }) => cause === 'UpdateNetwork');
    expect(restated).toHaveLength(1 + ports.length);
    await set(true);
    await set(false);
    await set(true);
    await runErrands(environment, never);
    expect(await statuses()).toEqual(new Set(['active']));
  });

  test('is found by its name, also by its new one', async () => {
    const world = new World();
    const { environment } = world;
    const [web, db] = [parseName('n', 'web'), parseName('n', 'db')];
    const { id } = await world.network({ name: web });
    await updateNetwork(environment, { id, etag: '"1"', settings: { name: db } }, unasked('UpdateNetwork'), never);
    expect((await listNetworks(environment, 'web', { limit: 10 }, never)).items).toEqual([]);
    expect((await listNetworks(environment, 'db', { limit: 10 }, never)).items).toMatchObject([{ id, revision: 2 }]);
    const stale = updateNetwork(
      environment,
      { id, etag: '"1"', settings: { name: web } },
      unasked('UpdateNetwork'),
      never,
    );
    await expect(stale).rejects.toMatchObject({ reason: 'ETAG_MISMATCH' });
  });
});

describe('deleting a network', () => {
  test('is refused while it has ports or subnets, and disturbs nobody then', async () => {
    const world = new World();
    const { environment, ipam } = world;
    const used = await world.network();
    await world.port(used.id);
    const subnetted = await world.network();
    ipam.addSubnet(subnetted.id, uuid(), '10.1.0');
    for (const { id } of [used, subnetted]) {
      for (const validateOnly of [true, false]) {
        const refusal = deleteNetwork(
          environment,
          { id, etag: '' },
          asked('DeleteNetwork', '', '', validateOnly),
          never,
        );
        await expect(refusal).rejects.toMatchObject({ code: 'precondition', reason: 'NETWORK_IN_USE' });
      }
    }
    await world.port(used.id);
  });

  test('for validation only deletes nothing', async () => {
    const world = new World();
    const { id } = await world.network();
    await deleteNetwork(world.environment, { id, etag: '"1"' }, asked('DeleteNetwork', '', '', true), never);
    expect(await getNetwork(world.environment, id, never)).toMatchObject({ id, revision: 1 });
  });

  test('is done once per request', async () => {
    const world = new World();
    const { id } = await world.network();
    const mutation = asked('DeleteNetwork', uuid(), 'body');
    await deleteNetwork(world.environment, { id, etag: '' }, mutation, never);
    await deleteNetwork(world.environment, { id, etag: '' }, mutation, never);
    const again = deleteNetwork(world.environment, { id, etag: '' }, unasked('DeleteNetwork'), never);
    await expect(again).rejects.toMatchObject({ reason: 'NETWORK_NOT_FOUND' });
  });

  test('gives up when the network changes meanwhile', async () => {
    const world = new World();
    const { environment, ipam } = world;
    const { id } = await world.network();
    const asks = ipam.hasSubnets.bind(ipam);
    let times = 0;
    ipam.hasSubnets = async (network, signal) => {
      times += 1;
      // Under the mark.
      if (times === 2) {
        const settings = { name: parseName('n', 'new') };
        await updateNetwork(environment, { id, etag: '', settings }, unasked('UpdateNetwork'), never);
      }
      return await asks(network, signal);
    };
    const deleting = deleteNetwork(environment, { id, etag: '' }, unasked('DeleteNetwork'), never);
    await expect(deleting).rejects.toMatchObject({ code: 'conflict', reason: 'CHANGED_MEANWHILE' });
    expect(await getNetwork(environment, id, never)).toMatchObject({ name: 'new' });
  });

  test('and creating a port in it at the same time never both succeed', async () => {
    let deleted = 0;
    for (let round = 0; round < 150; round += 1) {
      const world = new World();
      const { environment, ipam, clock } = world;
      const { id } = await world.network();
      const later = async (): Promise<void> => {
        for (let turn = 0; turn < round; turn += 1) await Promise.resolve();
        await deleteNetwork(environment, { id, etag: '' }, unasked('DeleteNetwork'), never);
      };
      const [removal, creation] = await Promise.allSettled([later(), world.port(id)]);
      const gone = removal.status === 'fulfilled';
      if (gone) deleted += 1;
      expect(gone && creation.status === 'fulfilled').toBe(false);
      const networks = (await listNetworks(environment, '', { limit: 10 }, never)).items;
      const ports = (await listPorts(environment, { by: 'all' }, { limit: 10 }, never)).items;
      expect(networks).toHaveLength(gone ? 0 : 1);
      expect(ports).toHaveLength(creation.status === 'fulfilled' ? 1 : 0);
      await clock.advance(10_000);
      await runErrands(environment, never);
      expect(ipam.held).toEqual([...networks, ...ports].map((one) => one.id).sort());
    }
    expect(deleted).toBeGreaterThan(0);
    expect(deleted).toBeLessThan(150);
  });
});

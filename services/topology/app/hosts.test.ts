import { describe, expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseDeviceName, parseHostId, parseLabels, parsePhysicalNetwork } from '#platform/net/names.ts';
import { asked, hostSpec, never, World } from '../testing/world.ts';
import { createHost } from './create-host.ts';
import { deleteHost } from './delete-host.ts';
import { unasked } from './environment.ts';
import { getHost, getPort, listHosts } from './queries.ts';
import { registerHost } from './register-host.ts';
import { renewHostLease } from './renew-host-lease.ts';
import { reportPortUp } from './report-port-up.ts';
import { sweepLeases } from './sweep-leases.ts';
import { updateHost } from './update-host.ts';

const a = parseHostId('id', 'a');
const b = parseHostId('id', 'b');

describe('a host', () => {
  test('registers, and registering again with nothing new renews its lease and tells nobody', async () => {
    const { environment, clock, told } = bound(new World());
    const first = await registerHost(environment, hostSpec('a', '10.0.0.1'), 15_000, never);
    await clock.advance(5_000);
    const again = await registerHost(environment, hostSpec('a', '10.0.0.1'), 15_000, never);
    expect(again.host).toEqual(first.host);
    expect(again.lease).toBe((first.lease ?? 0) + 5_000);
    expect(await told()).toEqual(['CREATED host a']);
  });

  test('tells its roles and where physical networks are, and tells others when they change', async () => {
    const { environment, told } = bound(new World());
    const mappings = (device: string) => ({
      roles: ['network'] as const,
      bridgeMappings: { [parsePhysicalNetwork('p', 'provider')]: parseDeviceName('d', device) },
    });
    for (const rest of [{}, mappings('eth1'), mappings('eth1'), mappings('eth2')]) {
      await registerHost(environment, hostSpec('a', '10.0.0.1', rest), 15_000, never);
    }
    expect(await told()).toEqual(['CREATED host a', 'UPDATED host a', 'UPDATED host a']);
  });

  test('keeps labels it does not mention when it registers', async () => {
    const { environment } = new World();
    const labelled = { labels: parseLabels('l', { rack: '1', zone: 'x' }) };
    await createHost(environment, hostSpec('a', '10.0.0.1', labelled), unasked('CreateHost'), never);
    const { host } = await registerHost(
      environment,
      hostSpec('a', '10.0.0.1', { labels: parseLabels('l', { rack: '2' }) }),
      15_000,
      never,
    );
    expect(host).toMatchObject({ alive: true, labels: { rack: '2', zone: 'x' } });
  });

  test('has its VTEP address to itself, and gives a former one free', async () => {
    const { environment } = new World();
    await registerHost(environment, hostSpec('a', '10.0.0.1'), 15_000, never);
    await expect(registerHost(environment, hostSpec('b', '10.0.0.1'), 15_000, never)).rejects.toMatchObject({
      code: 'exists',
      reason: 'VTEP_IN_USE',
    });
    await expect(
      createHost(environment, hostSpec('b', '10.0.0.1'), asked('CreateHost', '', '', true), never),
    ).rejects.toMatchObject({ reason: 'VTEP_IN_USE' });
    await registerHost(environment, hostSpec('a', '10.0.0.2'), 15_000, never);
    const { host } = await registerHost(environment, hostSpec('b', '10.0.0.1'), 15_000, never);
    expect(host.vtepAddress).toBe(parseIp('ip', '10.0.0.1'));
    await expect(registerHost(environment, hostSpec('b', '10.0.0.2'), 15_000, never)).rejects.toMatchObject({
      reason: 'VTEP_IN_USE',
    });
  });

  test('of several registering at once with one VTEP address, one gets it', async () => {
    const { environment } = new World();
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((id) => registerHost(environment, hostSpec(id, '10.0.0.1'), 15_000, never)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await listHosts(environment, { limit: 10 }, never)).items).toHaveLength(1);
  });

  test('goes down when its lease ends and comes back by renewing; renewals in time tell nobody', async () => {
    const { environment, clock, told } = bound(new World());
    const start = clock.now();
    await registerHost(environment, hostSpec('a', '10.0.0.1'), 15_000, never);
    await clock.advance(14_000);
    await renewHostLease(environment, a, 15_000, never);
    await clock.advance(14_000);
    await sweepLeases(environment, start, never);
    expect(await told()).toEqual(['CREATED host a']);
    await clock.advance(1_000);
    await Promise.all([sweepLeases(environment, start, never), sweepLeases(environment, start, never)]);
    expect((await getHost(environment, a, never)).host.alive).toBe(false);
    expect((await getHost(environment, a, never)).lease).toBeUndefined();
    const until = await renewHostLease(environment, a, 15_000, never);
    expect(until).toBe(clock.now() + 15_000);
    expect(await getHost(environment, a, never)).toMatchObject({ host: { alive: true }, lease: until });
    expect(await told()).toEqual(['CREATED host a', 'UPDATED host a', 'UPDATED host a']);
  });

  test('must register before it can renew', async () => {
    const { environment } = new World();
    await expect(renewHostLease(environment, a, 15_000, never)).rejects.toMatchObject({ reason: 'HOST_NOT_FOUND' });
  });

  test('is changed only by those who know it as it is', async () => {
    const world = new World();
    const { environment } = world;
    await world.host('a', '10.0.0.1');
    const labels = parseLabels('l', { rack: '1' });
    const changed = await updateHost(environment, { id: a, etag: '', labels }, unasked('UpdateHost'), never);
    expect(changed.host.revision).toBe(2);
    const stale = updateHost(
      environment,
      { id: a, etag: '"1"', labels: parseLabels('l', {}) },
      unasked('UpdateHost'),
      never,
    );
    await expect(stale).rejects.toMatchObject({ code: 'conflict', reason: 'ETAG_MISMATCH' });
    const same = await updateHost(environment, { id: a, etag: '"2"', labels }, unasked('UpdateHost'), never);
    expect(same.host.revision).toBe(2);
  });
});

describe('deleting a host', () => {
  test('is refused while a port is bound to it; by force it unbinds, or gives the port to who still has its device', async () => {
    const world = new World();
    const { environment, hints } = world;
    await world.host('a', '10.0.0.1');
    await world.host('b', '10.0.0.2');
    const network = await world.network();
    const alone = await world.port(network.id);
    const migrating = await world.port(network.id);
    await reportPortUp(environment, hints, { hostId: b, device: '', portId: alone.id }, never);
    await reportPortUp(environment, hints, { hostId: a, device: '', portId: migrating.id }, never);
    await reportPortUp(environment, hints, { hostId: b, device: '', portId: migrating.id }, never);
    const refusal = deleteHost(environment, { id: b, etag: '', force: false }, unasked('DeleteHost'), never);
    await expect(refusal).rejects.toMatchObject({ code: 'precondition', reason: 'HOST_IN_USE' });
    expect((await getHost(environment, b, never)).host).not.toHaveProperty('deletion');
    await deleteHost(environment, { id: b, etag: '', force: true }, unasked('DeleteHost'), never);
    await expect(getHost(environment, b, never)).rejects.toMatchObject({ reason: 'HOST_NOT_FOUND' });
    expect(await getPort(environment, alone.id, never)).toMatchObject({
      status: 'down',
      binding: { claims: {}, generation: 2 },
    });
    expect(await getPort(environment, migrating.id, never)).toMatchObject({
      status: 'active',
      binding: { hostId: 'a', generation: 3, claims: { a: 1 } },
    });
    await registerHost(environment, hostSpec('c', '10.0.0.2'), 15_000, never);
  });

  test('takes its outstanding claims with it, so that a new host of that name starts afresh', async () => {
    const world = new World();
    const { environment, hints } = world;
    await world.host('a', '10.0.0.1');
    await world.host('b', '10.0.0.2');
    const port = await world.port((await world.network()).id);
    await reportPortUp(environment, hints, { hostId: a, device: '', portId: port.id }, never);
    await reportPortUp(environment, hints, { hostId: b, device: '', portId: port.id }, never);
    await deleteHost(environment, { id: a, etag: '', force: false }, unasked('DeleteHost'), never);
    await world.host('a', '10.0.0.1');
    const back = await reportPortUp(environment, hints, { hostId: a, device: '', portId: port.id }, never);
    expect(back).toMatchObject({ rebound: true, port: { binding: { hostId: 'a' } } });
  });

  test('never leaves a port bound to nobody, whatever is reported meanwhile', async () => {
    for (let round = 0; round < 30; round += 1) {
      const world = new World();
      const { environment, hints } = world;
      await world.host('a', '10.0.0.1');
      const { id } = await world.port((await world.network()).id);
      await Promise.allSettled([
        deleteHost(environment, { id: a, etag: '', force: round % 2 === 0 }, unasked('DeleteHost'), never),
        reportPortUp(environment, hints, { hostId: a, device: '', portId: id }, never),
      ]);
      const port = await getPort(environment, id, never);
      const hosts = (await listHosts(environment, { limit: 10 }, never)).items;
      if (hosts.length === 0) expect(port.binding).not.toHaveProperty('hostId');
      else expect(hosts[0]?.host).not.toHaveProperty('deletion');
    }
  });

  test('that crashed half-way is in nobody’s way after a while', async () => {
    const world = new World();
    const { environment, store, clock, hints } = world;
    await world.host('a', '10.0.0.1');
    const { id } = await world.port((await world.network()).id);
    await store.transact(async (tx) => {
      const host = await tx.get(environment.records.hosts, a);
      if (host === undefined) return;
      tx.put(
        environment.records.hosts,
        a,
        { ...host.value, deletion: { token: 'x', until: clock.now() + 10_000 } },
        host.version,
      );
    }, never);
    const report = { hostId: a, device: '', portId: id };
    await expect(reportPortUp(environment, hints, report, never)).rejects.toMatchObject({
      reason: 'HOST_BEING_DELETED',
    });
    await clock.advance(10_000);
    expect(await reportPortUp(environment, hints, report, never)).toMatchObject({ rebound: true });
    expect((await getHost(environment, a, never)).host).not.toHaveProperty('deletion');
  });

  test('gives its revisions a next life that goes on counting', async () => {
    const world = new World();
    await world.host('a', '10.0.0.1');
    await deleteHost(world.environment, { id: a, etag: '', force: false }, unasked('DeleteHost'), never);
    await world.host('a', '10.0.0.1');
    const revisions = (await world.events()).map(({ resource }) => Number(resource?.value.revision_number));
    expect(revisions).toEqual([...revisions].sort((x, y) => x - y));
    expect(new Set(revisions).size).toBe(3);
  });
});

const bound = (world: World) => ({
  environment: world.environment,
  clock: world.clock,
  told: () => world.told(),
});

import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseHostId, parseName, type Uuid } from '#platform/net/names.ts';
import type { Collection, Store } from '#platform/store/store.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { printOfDuty } from '../api/duty-message.ts';
import { touchedBy } from '../api/event-message.ts';
import { DHCP_OWNER, dhcpDeviceId, dhcpPortId } from '../domain/device-owner.ts';
import type { DhcpServer } from '../domain/duty.ts';
import { never, uuid, World } from '../testing/world.ts';
import { Changes } from './changes.ts';
import { createPort } from './create-port.ts';
import { deletePort } from './delete-port.ts';
import { unasked } from './environment.ts';
import { SubnetBook } from './subnet-book.ts';
import { updateNetwork } from './update-network.ts';
import { updatePort } from './update-port.ts';
import { type DutyItem, watchDuties } from './watch-duties.ts';

const HERE = parseHostId('id', 'here');
const ELSEWHERE = parseHostId('id', 'elsewhere');

/** A world whose changes are heard of as soon as they are committed, unless they are lost. */
class DutyWorld extends World {
  readonly changes = new Changes();
  readonly subnets = new SubnetBook(this.ipam, this.changes);
  losesWords = false;

  constructor() {
    super();
    this.store.onCommitted((events) => {
      for (const { payload } of events) {
        const touched = touchedBy(payload);
        if (touched !== undefined && !this.losesWords) this.changes.tell(touched);
      }
    });
  }

  /** What `HERE` hears, until disposed. */
  watch(store: Store = this.store): AsyncDisposable & { readonly items: readonly DutyItem[] } {
    const halt = new AbortController();
    const items: DutyItem[] = [];
    const { subnets, changes } = this;
    const desk = { ...this.environment, store, subnets, changes, dnsDomain: 'example.org', print: printOfDuty };
    const run = async (): Promise<void> => {
      for await (const item of watchDuties(desk, HERE, halt.signal)) items.push(item);
    };
    const done = run().catch((error: unknown) => {
      if (!halt.signal.aborted) throw error;
    });
    return {
      items,
      [Symbol.asyncDispose]: async () => {
        halt.abort(new Error('over'));
        await done;
      },
    };
  }

  async serve(networkId: Uuid): Promise<Uuid> {
    const id = dhcpPortId(networkId, 0);
    const own = { deviceOwner: DHCP_OWNER, deviceId: dhcpDeviceId(networkId), portSecurityEnabled: false };
    const draft = { id, networkId, name: parseName('name', ''), fixedIps: [], allowedAddressPairs: [] };
    const settings = { ...own, adminStateUp: true, hostId: HERE };
    await createPort(this.environment, { ...draft, ...settings }, unasked('PlaceDhcp'), never);
    return id;
  }

  /** Lets changes gather, and what comes of them be told. */
  async gather(): Promise<void> {
    await eventually('it gathers', () => this.clock.sleeping > 0);
    await this.clock.advance(50);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

const kindsOf = (items: readonly DutyItem[]): readonly string[] =>
  items.map((item) => (item.kind === 'bookmark' ? 'bookmark' : `${item.kind} ${item.duty.kind}`));

const lastServer = (items: readonly DutyItem[]): DhcpServer | undefined =>
  items.flatMap((item) => (item.kind !== 'bookmark' && item.duty.kind === 'dhcp-server' ? [item.duty] : [])).at(-1);

const made = async (): Promise<{ readonly world: DutyWorld; readonly networkId: Uuid }> => {
  const world = new DutyWorld();
  await world.host(HERE, '10.0.0.1');
  await world.host(ELSEWHERE, '10.0.0.2');
  const { id } = await world.network();
  world.ipam.addSubnet(id, uuid(), '172.16.1');
  return { world, networkId: id };
};

test('a host hears all its duties, a bookmark, and then what differs and nothing else', async () => {
  const { world, networkId } = await made();
  const { environment } = world;
  const guest = await world.port(networkId, { hostId: HERE, name: parseName('name', 'Web-1') });
  const other = await world.port(networkId, { name: parseName('name', 'no label!') });
  await world.serve(networkId);
  await using watching = world.watch();
  const { items } = watching;
  await eventually('the snapshot is complete', () => items.at(-1)?.kind === 'bookmark');
  expect(kindsOf(items).toSorted()).toEqual([
    'bookmark',
    'snapshot dhcp-server',
    'snapshot port-security',
    'snapshot port-security',
  ]);
  const hostnames = (): readonly string[] =>
    lastServer(items)
      ?.hosts.map(({ hostname }) => hostname)
      .toSorted() ?? [];
  expect(hostnames()).toEqual([`host-${other.fixedIps[0]?.ipAddress.replaceAll('.', '-') ?? ''}`, 'web-1']);
  expect(lastServer(items)).toMatchObject({ dnsDomain: 'example.org', generation: 1, port: { mtu: 1_450 } });

  const before = items.length;
  // Of a port elsewhere nothing is told but what its network's DHCP gives it; a name it cannot use is nothing.
  const rename = (id: Uuid, name: string) =>
    updatePort(
      environment,
      { id, etag: '', settings: { name: parseName('name', name) } },
      unasked('UpdatePort'),
      never,
    );
  await rename(other.id, 'still no label!');
  await world.gather();
  expect(items).toHaveLength(before);
  await rename(other.id, 'db');
  await world.gather();
  expect(kindsOf(items.slice(before))).toEqual(['set dhcp-server']);
  expect(hostnames()).toEqual(['db', 'web-1']);

  // Many changes at once are one word.
  const now = items.length;
  await rename(other.id, 'x');
  await rename(other.id, 'web-1');
  await updateNetwork(environment, { id: networkId, etag: '', settings: {} }, unasked('UpdateNetwork'), never);
  await world.gather();
  expect(kindsOf(items.slice(now))).toEqual(['set dhcp-server']);
  expect(new Set(hostnames()).size).toBe(2);

  await updatePort(
    environment,
    { id: guest.id, etag: '', settings: {}, place: ELSEWHERE },
    unasked('UpdatePort'),
    never,
  );
  await world.gather();
  const [ended] = items.slice(now + 1);
  expect(ended).toMatchObject({ kind: 'ended', duty: { portId: guest.id, revision: guest.revision + 1 } });
  await deletePort(environment, { id: dhcpPortId(networkId, 0), etag: '' }, unasked('PlaceDhcp'), never);
  await world.gather();
  expect(kindsOf(items.slice(-2)).toSorted()).toEqual(['ended dhcp-server', 'ended port-security']);
});

test('a subnet that changes is told with the DHCP of its network', async () => {
  const { world, networkId } = await made();
  await world.serve(networkId);
  await using watching = world.watch();
  const { items } = watching;
  await eventually('the snapshot is complete', () => items.at(-1)?.kind === 'bookmark');
  expect(lastServer(items)?.subnets).toHaveLength(1);
  world.ipam.addSubnet(networkId, uuid(), '172.16.2');
  await world.subnets.look(networkId, never);
  await world.gather();
  expect(lastServer(items)?.subnets).toHaveLength(2);
});

test('a change whose word was lost is told within ten seconds', async () => {
  const { world, networkId } = await made();
  await using watching = world.watch();
  const { items } = watching;
  await eventually('the snapshot is complete', () => items.at(-1)?.kind === 'bookmark');
  world.losesWords = true;
  await world.port(networkId, { hostId: HERE });
  await eventually('it rests', () => world.clock.sleeping > 0);
  await world.clock.advance(9_000);
  expect(items).toHaveLength(1);
  await world.clock.advance(1_000);
  await eventually('it is told', () => kindsOf(items).includes('set port-security'));
});

test('a port that goes elsewhere while the snapshot is read is not left in it', async () => {
  const { world, networkId } = await made();
  const { environment } = world;
  const port = await world.port(networkId, { hostId: HERE });
  let moved = false;
  const store: Store = {
    transact: (work, signal) => world.store.transact(work, signal),
    get: (from, id, signal) => world.store.get(from, id, signal),
    list: async <T>(from: Collection<T>, options: Parameters<Store['list']>[1], signal: AbortSignal) => {
      const page = await world.store.list(from, options, signal);
      if (from.name !== 'port' || moved) return page;
      moved = true;
      const update = { id: port.id, etag: '', settings: {}, place: ELSEWHERE };
      await updatePort(environment, update, unasked('UpdatePort'), never);
      return page;
    },
  };
  await using watching = world.watch(store);
  const { items } = watching;
  await eventually('it was told', () => items.length === 2);
  await world.gather();
  expect(kindsOf(items)).toEqual(['snapshot port-security', 'bookmark', 'ended port-security']);
});

test('a host that is not known has no duties, and without subnets nobody is told any', async () => {
  const world = new DutyWorld();
  const next = () => {
    const { subnets, changes } = world;
    const desk = { ...world.environment, subnets, changes, dnsDomain: 'example.org', print: printOfDuty };
    return watchDuties(desk, HERE, never).next();
  };
  await expect(next()).rejects.toMatchObject({ reason: 'HOST_NOT_FOUND' });
  const fresh = new DutyWorld();
  fresh.ipam.away = true;
  const desk = { ...fresh.environment, subnets: fresh.subnets, changes: fresh.changes };
  const items = watchDuties({ ...desk, dnsDomain: 'example.org', print: printOfDuty }, HERE, never);
  await expect(items.next()).rejects.toThrow(DomainError);
});

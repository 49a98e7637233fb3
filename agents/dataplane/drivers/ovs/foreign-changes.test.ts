import { expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseVni } from '#platform/net/vni.ts';
import type { FlowUpdate } from '../../protocols/openflow/flow-monitor.ts';
import { insert, mutate, update } from '../../protocols/ovsdb/operation.ts';
import type { Operation } from '../../protocols/ovsdb/operation.ts';
import type { RowChange } from '../../protocols/ovsdb/replicated-rows.ts';
import { namedUuid } from '../../protocols/ovsdb/uuid.ts';
import { Bridge, Interface, OpenVswitch, Port, vswitchTables } from '../../protocols/ovsdb/vswitch-tables.ts';
import type { VswitchTable } from '../../protocols/ovsdb/vswitch-tables.ts';
import { numbered } from './flow-spec.ts';
import type { FlowSpec } from './flow-spec.ts';
import { baseFlows, networkFlows } from './flows.ts';
import { concernsBase, suspectOf } from './foreign-changes.ts';
import { FakeDatabase } from './testing/fake-database.ts';
import { BASE_COOKIE, cookieOf, ownerOf, watchCookie, WATCH_COOKIES } from './pipeline.ts';

const vni = parseVni('vni', 70);
const largest = parseVni('vni', 16_777_215);
const FOREIGN = 0x99n;

const flowOf = (spec: FlowSpec): FlowUpdate => {
  const { flow } = numbered(spec, (device) => Number(device.slice(3)));
  if (flow === undefined) throw new Error('no number');
  return { event: 'added', ...flow };
};

test('a cookie tells whose the flow is', () => {
  expect(ownerOf(BASE_COOKIE)).toBe('base');
  expect([vni, largest].map((each) => ownerOf(cookieOf(each)))).toEqual([vni, largest]);
  const watches = [0, 1, 0xff_ffff, 0x100_0005].map(watchCookie);
  expect(watches.map(ownerOf)).toEqual(['watch', 'watch', 'watch', 'watch']);
  expect(watches.map((cookie) => cookie & WATCH_COOKIES.cookieMask)).toEqual(watches.map(() => WATCH_COOKIES.cookie));
  const others = [0n, 70n, BASE_COOKIE - 1n, BASE_COOKIE | 0x0100_0000n, BASE_COOKIE | 0xfeff_ffffn];
  expect(others.map(ownerOf)).toEqual(others.map(() => undefined));
  expect(ownerOf((1n << 64n) - 1n)).toBeUndefined();
});

test.each(['added', 'removed', 'modified'] as const)('%s: what has a cookie of ours is of its owner', (event) => {
  const updateOf = (cookie: bigint): FlowUpdate => ({ event, cookie, table: 99, priority: 1, match: {} });
  expect(suspectOf(updateOf(BASE_COOKIE))).toBe('base');
  expect(suspectOf(updateOf(cookieOf(vni)))).toEqual({ vni });
  expect(suspectOf(updateOf(watchCookie(3)))).toBe('watch');
  expect(suspectOf(updateOf(FOREIGN))).toBeUndefined();
});

test('a foreign flow in the place of any of ours is seen to be there', () => {
  for (const options of [{}, { directsSolicitations: true }]) {
    for (const flow of baseFlows(options)) {
      expect([flow, suspectOf({ ...flowOf(flow), cookie: FOREIGN })]).toEqual([flow, 'base']);
    }
    const flows = networkFlows(vni, options);
    const mac = parseMac('mac', 'fa:16:3e:00:00:01');
    const to = { address: parseIp('ip', '192.0.2.12'), udpPort: 4789 };
    const all = [
      flows.fromOutside(),
      flows.responder(parseIp('ip', '10.0.0.1'), mac),
      flows.responder(parseIp('ip', 'fd00::1'), mac),
      flows.toPort(mac, 'tap1'),
      ...flows.flood(['tap1'], []),
    ];
    for (const flow of all) {
      expect([flow, suspectOf({ ...flowOf(flow), cookie: FOREIGN })]).toEqual([flow, { vni }]);
    }
    expect(suspectOf({ ...flowOf(flows.fromPort('tap7')), cookie: FOREIGN })).toEqual({ port: 7 });
    expect(suspectOf({ ...flowOf(flows.fromPort('tap7')), cookie: FOREIGN, priority: 200 })).toBe('watch');
    expect(numbered(flows.toRemote(mac, to), () => 1).flow).toMatchObject({ priority: 100, table: 30 });
  }
});

test('a foreign flow elsewhere, and one that goes, is nothing to us', () => {
  const [last] = baseFlows();
  const network = flowOf(networkFlows(vni).fromOutside());
  if (last === undefined) throw new Error('no base flow');
  const elsewhere: readonly FlowUpdate[] = [
    { ...network, event: 'removed' },
    { ...network, table: 5 },
    { ...network, priority: 99 },
    { ...network, match: { tun_id: { value: 70n, mask: 0xffn } } },
    { ...network, match: { tun_id: { value: 0x100_0000n } } },
    { ...network, match: { eth_dst: { value: 1n } } },
    { ...flowOf(last), priority: 1 },
    { ...flowOf(last), event: 'removed' },
  ];
  for (const update of elsewhere)
    expect([update, suspectOf({ ...update, cookie: FOREIGN })]).toEqual([update, undefined]);
});

test('of the database concerns the base what it is made of, and no guest that comes and goes', () => {
  const database = new FakeDatabase();
  const changesBy = (...operations: readonly Operation[]): readonly RowChange<VswitchTable>[] => {
    const before = vswitchTables.map((table) => new Map<string, unknown>(database.rows(table)));
    database.transact(operations);
    return vswitchTables.flatMap((table, at) => {
      const now = new Map<string, unknown>(database.rows(table));
      const uuids = new Set([...(before[at]?.keys() ?? []), ...now.keys()]);
      return [...uuids].flatMap((uuid) => {
        const change = { table: table.name, uuid, before: before[at]?.get(uuid), after: now.get(uuid) };
        return change.before === change.after ? [] : [change as unknown as RowChange<VswitchTable>];
      });
    });
  };
  const isConcerned = (...operations: readonly Operation[]): boolean =>
    changesBy(...operations).some((change) => concernsBase(change, 'br-int'));
  const addBridge = (name: string): readonly Operation[] => [
    insert(Interface, { name, type: 'internal' }, 'interface'),
    insert(Port, { name, interfaces: [namedUuid('interface')] }, 'port'),
    insert(Bridge, { name, ports: [namedUuid('port')] }, 'bridge'),
    mutate(OpenVswitch, [], [['bridges', 'insert', [namedUuid('bridge')]]]),
  ];
  const called = (table: typeof Bridge | typeof Interface, wanted: string) => {
    const uuids = [...database.rows(table)].filter(([, { name }]) => name === wanted).map(([uuid]) => uuid);
    return uuids.map((uuid) => ['_uuid', '==', uuid] as const);
  };
  const addPort = (name: string): readonly Operation[] => [
    insert(Interface, { name }, 'interface'),
    insert(Port, { name, interfaces: [namedUuid('interface')] }, 'port'),
    mutate(Bridge, called(Bridge, 'br-int'), [['ports', 'insert', [namedUuid('port')]]]),
  ];
  expect(isConcerned(...addBridge('br-other'))).toBe(false);
  expect(isConcerned(...addBridge('br-int'))).toBe(true);
  expect(isConcerned(...addPort('tap12345678-90'))).toBe(false);
  expect(isConcerned(update(Interface, called(Interface, 'tap12345678-90'), { mtu_request: 1450 }))).toBe(false);
  expect(isConcerned(...addPort('vxlan-udp4789'))).toBe(true);
  expect(isConcerned(update(Interface, called(Interface, 'vxlan-udp4789'), { options: new Map() }))).toBe(true);
  expect(isConcerned(update(Bridge, called(Bridge, 'br-int'), { fail_mode: 'standalone' }))).toBe(true);
  expect(
    isConcerned(mutate(Bridge, called(Bridge, 'br-int'), [['external_ids', 'insert', new Map([['weft-host', 'x']])]])),
  ).toBe(true);
  expect(isConcerned(update(OpenVswitch, [], { next_cfg: 1 }))).toBe(false);
});

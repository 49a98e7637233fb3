import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { flowKey, sameFlow } from '../../agents/dataplane/protocols/openflow/flow-identity.ts';
import { OpenFlowConnection } from '../../agents/dataplane/protocols/openflow/connection.ts';
import type { Flow, FlowMod } from '../../agents/dataplane/protocols/openflow/flow.ts';
import { formatFlow, formatFlowId } from '../../agents/dataplane/protocols/openflow/format.ts';
import { arbitraryFlow } from '../../agents/dataplane/protocols/openflow/testing/arbitrary-flow.ts';
import { dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';

const never = new AbortController().signal;
const BRIDGE = 'wof0';
const OFCTL = ['-O', 'OpenFlow15'];

let ovs: Ovs;
let connection: OpenFlowConnection;
const events: string[] = [];

const connect = (bridge: string, probeMs = 60_000, told: string[] = []): OpenFlowConnection =>
  new OpenFlowConnection({
    dial: dialUnix,
    path: ovs.mgmtSocket(bridge),
    log: nullLog,
    probeMs,
    onConnected: () => told.push('connected'),
    onLost: () => told.push('lost'),
  });

beforeAll(async () => {
  ovs = await startOvs({ name: 'wof-flows' });
  await ovs.addBridge(BRIDGE);
  connection = connect(BRIDGE, 60_000, events);
  await connection.start(never);
});

afterAll(async () => {
  await connection.stop();
  await ovs[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await connection.apply([{ command: 'delete' }], never);
});

const add = (flow: Flow): FlowMod => ({ command: 'add', flow });
const to = (n: number, rest: Partial<Flow> = {}): Flow => ({
  table: 30,
  priority: 100,
  cookie: 0x77n,
  match: { metadata: { value: 70n }, eth_dst: { value: 0xfa163e000000n + BigInt(n) } },
  actions: [
    { kind: 'set_field', field: 'tun_id', value: 70n },
    { kind: 'set_field', field: 'tun_dst', value: 0xc0000201n },
    { kind: 'output', port: 5 },
  ],
  ...rest,
});

/** What cannot be told apart is one flow: the last. */
const distinct = (flows: readonly Flow[]): readonly Flow[] => [
  ...new Map(flows.map((flow) => [flowKey(flow), flow])).values(),
];

/** Those of `wanted` that are not there as they should be, as text. */
const missing = (wanted: readonly Flow[], there: readonly Flow[]): readonly string[] => {
  const byKey = new Map(there.map((flow) => [flowKey(flow), flow]));
  return wanted.flatMap((flow) => {
    const found = byKey.get(flowKey(flow));
    return found !== undefined && sameFlow(found, flow)
      ? []
      : [`${formatFlow(flow)} | ${found === undefined ? '' : formatFlow(found)}`];
  });
};

test('flows read back are those written, and those that ovs-ofctl makes of their text', async () => {
  await ovs.addBridge('wof1');
  await using other = connect('wof1');
  await other.start(never);
  const lines = path.join(ovs.dir, 'flows');
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryFlow, { minLength: 60, maxLength: 60 }), async (flows) => {
      const wanted = distinct(flows);
      await connection.apply([{ command: 'delete' }], never);
      const answers = await connection.apply(wanted.map(add), never);
      expect(wanted.map((flow, at) => `${answers[at] ?? 'done'}: ${formatFlow(flow)}`)).toEqual(
        wanted.map((flow) => `done: ${formatFlow(flow)}`),
      );
      const there = await connection.dump({}, never);
      expect(missing(wanted, there)).toEqual([]);
      expect(there).toHaveLength(wanted.length);

      await writeFile(lines, `${wanted.map((flow) => formatFlow(flow)).join('\n')}\n`);
      await ovs.ofctl(...OFCTL, 'del-flows', 'wof1');
      await ovs.ofctl(...OFCTL, 'add-flows', 'wof1', lines);
      expect(missing(wanted, await other.dump({}, never))).toEqual([]);
    }),
    { numRuns: 15 },
  );
  await ovs.vsctl('del-br', 'wof1');
});

test('what the switch refuses is told of that change, and its neighbours are done', async () => {
  const bad: readonly Flow[] = [
    to(2, { match: { arp_op: { value: 1n } } }),
    to(3, { actions: [{ kind: 'set_field', field: 'arp_op', value: 1n }] }),
    to(4, { actions: [{ kind: 'output', port: 0xffffff42 }] }),
    to(5, { actions: [{ kind: 'unknown', bytes: '0099000800000000' }] }),
    to(6, { gotoTable: 30 }),
    to(7, { unknownMatch: '8000fe0101' }),
    to(8, { actions: [{ kind: 'set_field', field: 'eth_type', value: 1n }] }),
  ];
  const answers = await connection.apply([to(1), ...bad, to(9)].map(add), never);
  expect(answers).toEqual([
    undefined,
    expect.stringContaining('match.arp_op'),
    'OFPBAC_MATCH_INCONSISTENT',
    'OFPBAC_BAD_OUT_PORT',
    'OFPBAC_BAD_TYPE',
    'OFPBIC_BAD_TABLE_ID',
    'OFPBMC_BAD_FIELD',
    'OFPBAC_BAD_SET_ARGUMENT',
    undefined,
  ]);
  const there = await connection.dump({}, never);
  expect(missing([to(1), to(9)], there)).toEqual([]);
  expect(there).toHaveLength(2);
});

test.each([2, 40])('what fails only when all is done together is found as well: %i changes', async (count) => {
  const room = 5;
  await ovs.vsctl(
    ...['--', '--id=@small', 'create', 'Flow_Table', `flow_limit=${room.toString()}`, 'overflow_policy=refuse'],
    ...['--', 'set', 'Bridge', BRIDGE, 'flow_tables:40=@small'],
  );
  const small = Array.from({ length: room + count }, (_, n) => to(n, { table: 40 }));
  const answers = await connection.apply([...small, to(1)].map(add), never);
  expect(answers).toEqual([
    ...Array.from({ length: room }, () => undefined),
    ...Array.from({ length: count }, () => 'OFPFMFC_TABLE_FULL'),
    undefined,
  ]);
  const there = await connection.dump({}, never);
  expect(missing([...small.slice(0, room), to(1)], there)).toEqual([]);
  expect(there).toHaveLength(room + 1);
  await ovs.vsctl('clear', 'Bridge', BRIDGE, 'flow_tables');
});

test('changes are what they say: add replaces, modify keeps the cookie and adds nothing, delete takes what it names', async () => {
  const dump = (): Promise<readonly Flow[]> => connection.dump({}, never);
  const apply = async (...mods: readonly FlowMod[]): Promise<void> => {
    expect(await connection.apply(mods, never)).toEqual(mods.map(() => undefined));
  };
  const other: Partial<Flow> = { cookie: 0x99n, actions: [{ kind: 'output', port: 6 }] };
  await apply(add(to(1)), add(to(2)), add(to(3, { table: 31 })), add(to(4, { cookie: 0x178n })));
  await apply(add(to(1, other)), { command: 'modify_strict', flow: to(2, other) });
  await apply({ command: 'modify_strict', flow: to(5) });
  const now = [to(1, other), to(2, { ...other, cookie: 0x77n }), to(3, { table: 31 }), to(4, { cookie: 0x178n })];
  expect(missing(now, await dump())).toEqual([]);
  expect(await dump()).toHaveLength(4);

  // Another cookie, priority, or match keeps a flow from being taken.
  await apply(
    { command: 'delete_strict', flow: to(1), cookie: 0x77n },
    { command: 'delete_strict', flow: to(1, { priority: 101 }) },
    { command: 'delete_strict', flow: { table: 30, priority: 100, match: {} } },
    { command: 'delete', table: 32 },
    { command: 'delete', cookie: 0x1000n, cookieMask: 0xf000n },
    { command: 'delete', match: { metadata: { value: 71n } } },
  );
  expect(await dump()).toHaveLength(4);
  await apply({ command: 'delete_strict', flow: to(1), cookie: 0x99n });
  expect((await dump()).map((flow) => flow.cookie).sort()).toEqual([0x77n, 0x77n, 0x178n]);
  await apply({ command: 'delete', cookie: 0x70n, cookieMask: 0x1f0n, table: 30 });
  expect((await dump()).map((flow) => flow.table).sort()).toEqual([30, 31]);
  await apply({ command: 'delete', match: { metadata: { value: 70n } } });
  expect(await dump()).toEqual([]);
});

test('reads the flows of a cookie and of a table, however many', async () => {
  const flows = Array.from({ length: 3_000 }, (_, n) => to(n, { cookie: BigInt(n % 3), table: n % 2 }));
  await connection.apply(flows.map(add), never);
  const count = async (filter: Parameters<OpenFlowConnection['dump']>[0]): Promise<number> =>
    (await connection.dump(filter, never)).length;
  expect(await count({})).toBe(3_000);
  expect(await count({ table: 1 })).toBe(1_500);
  expect(await count({ cookie: 2n })).toBe(1_000);
  expect(await count({ cookie: 2n, cookieMask: 2n })).toBe(1_000);
  expect(await count({ cookie: 0n, cookieMask: 1n, table: 0 })).toBe(1_000);
  expect(await count({ cookie: 5n })).toBe(0);
});

test('flows that others made are read as they are, and can be removed', async () => {
  for (const [match, actions] of [
    ['conj_id=5,ip', 'ct(commit,zone=5,table=3),group:7'],
    ['ct_state=+trk-est,ip,nw_frag=later', 'learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),CONTROLLER:100'],
    ['tun_metadata0=5,tcp,tcp_flags=+syn', 'note:01.02.03,dec_ttl,clear_actions,write_actions(output:4)'],
    ['vlan_tci=0x1005/0x1fff,reg0=1,xreg4=0x100000002', 'meter:5,mod_vlan_vid:7,strip_vlan,enqueue:1:2'],
  ] as const) {
    if (actions.includes('group:7')) await ovs.ofctl(...OFCTL, 'add-group', BRIDGE, 'group_id=7,type=all');
    if (actions.includes('meter')) await ovs.ofctl(...OFCTL, 'add-meter', BRIDGE, 'meter=5,kbps,band=type=drop,rate=9');
    if (match.includes('tun_metadata0')) {
      await ovs.ofctl('add-tlv-map', BRIDGE, '{class=0xffff,type=0,len=4}->tun_metadata0');
    }
    await ovs.ofctl(...OFCTL, 'add-flow', BRIDGE, `cookie=0x77,table=8,priority=3,${match} actions=${actions}`);
    const [flow] = await connection.dump({ cookie: 0x77n }, never);
    if (flow === undefined) throw new Error(match);
    expect(formatFlow(flow)).toContain(match.includes('reg0') ? 'reg8=0x1,reg9=0x2' : 'unknown(');
    // Put back as it was read, it is what it was.
    const text = async (): Promise<string> => await ovs.ofctl(...OFCTL, '--no-stats', 'dump-flows', BRIDGE);
    const before = await text();
    expect(await connection.apply([{ command: 'delete' }, add(flow)], never)).toEqual([undefined, undefined]);
    expect(await text()).toBe(before);
    expect(await connection.apply([{ command: 'delete_strict', flow, cookie: 0x77n }], never)).toEqual([undefined]);
    expect(await connection.dump({}, never)).toEqual([]);
  }
});

test('ovs-ofctl removes a flow by the text of its id', async () => {
  const flow = to(1, { match: { ...to(1).match, eth_type: { value: 0x806n }, arp_op: { value: 1n } } });
  await connection.apply([add(flow), add(to(1))], never);
  await ovs.ofctl(...OFCTL, '--strict', 'del-flows', BRIDGE, formatFlowId(flow));
  expect((await connection.dump({}, never)).map(flowKey)).toEqual([flowKey(to(1))]);
});

test('many flows at once go through in no time', async () => {
  const flows = Array.from({ length: 10_000 }, (_, n) => to(n));
  const began = performance.now();
  const answers = await connection.apply(flows.map(add), never);
  const applied = performance.now();
  const there = await connection.dump({}, never);
  const read = performance.now();
  expect(answers.filter((answer) => answer !== undefined)).toEqual([]);
  expect(missing(flows, there)).toEqual([]);
  // 0.1 s and 0.05 s on an idle machine with two cores.
  expect(applied - began).toBeLessThan(1_500);
  expect(read - applied).toBeLessThan(1_500);
});

test('a restart of ovs-vswitchd is told, and its flows are gone', async () => {
  events.length = 0;
  await connection.apply([add(to(1))], never);
  await ovs.vswitchd.kill9();
  await eventually('lost', () => events.includes('lost'));
  await expect(connection.apply([add(to(2))], never)).rejects.toMatchObject({ code: 'unavailable' });
  await ovs.vswitchd.restart();
  await eventually('connected', () => connection.connected, 5_000);
  expect(events).toEqual(['lost', 'connected']);
  expect(await connection.dump({}, never)).toEqual([]);
  expect(await connection.apply([add(to(1))], never)).toEqual([undefined]);
});

test('a switch that hangs is left after a while, and whoever waits is told', async () => {
  const told: string[] = [];
  await using other = connect(BRIDGE, 500, told);
  await other.start(never);
  ovs.vswitchd.pause();
  try {
    await expect(other.apply([add(to(1))], never)).rejects.toMatchObject({ code: 'unavailable' });
  } finally {
    ovs.vswitchd.resume();
  }
  await eventually('connected', () => other.connected, 5_000);
  expect(told).toEqual(['connected', 'lost', 'connected']);
});

test('a bridge that comes, goes and comes again, and one that may not speak our version', async () => {
  const told: string[] = [];
  await using other = connect('wof2', 60_000, told);
  const start = other.start(never);
  await expect(other.dump({}, never)).rejects.toMatchObject({ code: 'unavailable' });
  await ovs.addBridge('wof2');
  await start;
  await ovs.vsctl('del-br', 'wof2');
  await eventually('lost', () => !other.connected);
  await ovs.addBridge('wof2');
  await eventually('connected', () => other.connected, 5_000);
  await ovs.vsctl('set', 'Bridge', 'wof2', 'protocols=OpenFlow10,OpenFlow13');
  await eventually(
    'said',
    async () => {
      const error = await other.dump({}, never).then(
        () => '',
        (thrown: unknown) => String(thrown),
      );
      return error.includes('add OpenFlow15 to its protocols');
    },
    5_000,
  );
  await ovs.vsctl('clear', 'Bridge', 'wof2', 'protocols');
  await eventually('connected', () => other.connected, 5_000);
  expect(told).toEqual(['connected', 'lost', 'connected', 'lost', 'connected']);
  await ovs.vsctl('del-br', 'wof2');
});

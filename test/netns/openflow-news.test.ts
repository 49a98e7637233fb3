import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { OpenFlowConnection } from '../../agents/dataplane/protocols/openflow/connection.ts';
import { formatFlowId } from '../../agents/dataplane/protocols/openflow/format.ts';
import { OFPP } from '../../agents/dataplane/protocols/openflow/flow.ts';
import type { Action, Flow, FlowMod } from '../../agents/dataplane/protocols/openflow/flow.ts';
import type { PacketIn } from '../../agents/dataplane/protocols/openflow/packet-in.ts';
import { dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';
import { type Namespace, Namespaces } from './namespaces.ts';

const never = new AbortController().signal;
const BRIDGE = 'wcs0';
const OFCTL = ['-O', 'OpenFlow15'];
const CONTROLLER = 0x7766;

let ovs: Ovs;
let namespaces: Namespaces;
let guest: Namespace;
let connection: OpenFlowConnection;
/** One without news. */
let deaf: OpenFlowConnection;
let told: string[] = [];
let packets: PacketIn[] = [];

const connect = (withNews: boolean): OpenFlowConnection =>
  new OpenFlowConnection({
    dial: dialUnix,
    path: ovs.mgmtSocket(BRIDGE),
    log: nullLog,
    onConnected: () => undefined,
    onLost: () => undefined,
    ...(withNews && {
      news: {
        controllerId: CONTROLLER,
        flowChanged: ({ event, cookie, ...id }) => told.push(`${event} ${cookie.toString()} ${formatFlowId(id)}`),
        flowsMissed: () => told.push('missed'),
        packet: (packet) => packets.push(packet),
      },
    }),
  });

beforeAll(async () => {
  ovs = await startOvs({ name: 'wcs-news' });
  namespaces = new Namespaces();
  guest = await namespaces.add('wcs-guest');
  await ovs.namespace.veth('tap0', guest, 'eth0', 'fa:16:3e:00:00:01');
  await ovs.namespace.must('ip', 'link', 'set', 'tap0', 'up');
  await guest.must('ip', 'link', 'set', 'eth0', 'up');
  await guest.must('ip', 'address', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await guest.must('ip', 'neigh', 'add', '10.0.0.2', 'lladdr', 'fa:16:3e:00:00:02', 'dev', 'eth0');
  await ovs.addBridge(BRIDGE, 'tap0');
  connection = connect(true);
  deaf = connect(false);
  await Promise.all([connection.start(never), deaf.start(never)]);
});

afterAll(async () => {
  await Promise.all([connection.stop(), deaf.stop()]);
  await namespaces[Symbol.asyncDispose]();
  await ovs[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await connection.apply([{ command: 'delete' }], never);
  told = [];
  packets = [];
});

const to = (n: number, rest: Partial<Flow> = {}): Flow => ({
  table: 30,
  priority: 100,
  cookie: 0x77n,
  match: { metadata: { value: 70n }, eth_dst: { value: 0xfa163e000000n + BigInt(n) } },
  actions: [{ kind: 'output', port: 5 }],
  ...rest,
});
const add = (flow: Flow): FlowMod => ({ command: 'add', flow });
const ofctl = async (...args: readonly string[]): Promise<string> => await ovs.ofctl(...OFCTL, ...args);
/** What is told comes in order, so once the last is there, all before it is. */
const toldUntil = async (last: string): Promise<readonly string[]> => {
  await ofctl('add-flow', BRIDGE, `table=99,priority=1,metadata=${last} actions=drop`);
  const line = `added 0 table=99,priority=1,metadata=0x${Number(last).toString(16)}`;
  await eventually(line, () => told.includes(line));
  return told.slice(0, told.indexOf(line));
};

test('what others do to flows is told, each with what it is about', async () => {
  await connection.apply(
    [1, 2, 3].map((n) => add(to(n))),
    never,
  );
  const at = (n: number): string => `table=30,priority=100,metadata=0x46,eth_dst=fa:16:3e:00:00:0${n.toString()}`;
  await ofctl('--strict', 'del-flows', BRIDGE, at(1));
  await ofctl('add-flow', BRIDGE, `cookie=9,${at(2)} actions=drop`);
  await ofctl('mod-flows', BRIDGE, `table=30,metadata=70,eth_dst=fa:16:3e:00:00:03 actions=drop`);
  await ofctl('add-flow', BRIDGE, `cookie=0x77,table=30,tun_metadata0=1,priority=5 actions=drop`).catch(
    () => undefined,
  );
  expect(await toldUntil('1')).toEqual([
    `removed 119 ${at(1)}`,
    // Of what was there before, nothing is told.
    `added 9 ${at(2)}`,
    `modified 119 ${at(3)}`,
  ]);
  await ofctl('del-flows', BRIDGE);
  expect([...(await toldUntil('2'))].slice(4).sort()).toEqual([
    `removed 0 table=99,priority=1,metadata=0x1`,
    `removed 119 ${at(3)}`,
    `removed 9 ${at(2)}`,
  ]);
});

test('switches that forget all flows tell of each', async () => {
  for (const words of [
    ['set-fail-mode', BRIDGE, 'standalone', '--', 'set-fail-mode', BRIDGE, 'secure'],
    ['set-fail-mode', BRIDGE, 'standalone'],
    ['set-fail-mode', BRIDGE, 'secure'],
    ['set-controller', BRIDGE, 'tcp:127.0.0.1:1'],
    ['del-controller', BRIDGE],
  ]) {
    await connection.apply([add(to(1))], never);
    told = [];
    await ovs.vsctl(...words);
    const left = await connection.dump({ cookie: 0x77n }, never);
    const news = (await toldUntil('1')).filter((line) => line.startsWith('removed 119'));
    expect([words, news.length + left.length]).toEqual([words, 1]);
    told = [];
  }
});

test('what is done here is not told, however it is done', async () => {
  await connection.apply([add(to(1)), add(to(1, { cookie: 5n })), add(to(2))], never);
  await connection.apply([{ command: 'modify_strict', flow: to(2, { actions: [] }) }], never);
  await connection.apply([add(to(3, { gotoTable: 3 })), add(to(4))], never);
  await connection.apply([{ command: 'delete', table: 30 }], never);
  expect(await toldUntil('1')).toEqual([]);
  // Another connection is somebody else.
  await deaf.apply([add(to(1))], never);
  expect(await toldUntil('2')).toHaveLength(2);
});

test('our own many are not told either, and cost next to nothing', async () => {
  const flows = Array.from({ length: 20_000 }, (_, n) => to(n));
  const load = async (by: OpenFlowConnection): Promise<number> => {
    const began = performance.now();
    await by.apply(flows.map(add), never);
    const took = performance.now() - began;
    await by.apply([{ command: 'delete', table: 30 }], never);
    return took;
  };
  const times = { deaf: [] as number[], hearing: [] as number[] };
  for (let round = 0; round < 3; round += 1) {
    await connection.stop();
    times.deaf.push(await load(deaf));
    connection = connect(true);
    await connection.start(never);
    told = [];
    times.hearing.push(await load(connection));
    expect(await toldUntil('1')).toEqual([]);
    await connection.apply([{ command: 'delete' }], never);
  }
  // 56 ms either way on an idle machine with two cores.
  expect(Math.min(...times.hearing)).toBeLessThan(Math.min(...times.deaf) * 1.5 + 50);
});

test('when too much happens to tell it all, that is told, and from then on all again', async () => {
  const many = Array.from({ length: 20_000 }, (_, n) => to(n));
  await deaf.apply(many.map(add), never);
  await eventually('missed', () => told.includes('missed'), 5_000);
  told = [];
  await connection.apply([add(to(50_000))], never);
  await ofctl('add-flow', BRIDGE, 'cookie=1,table=5 actions=drop');
  expect(await toldUntil('1')).toEqual(['added 1 table=5,priority=32768']);
});

test('packets come that flows send here, whole, and not those that they send to others', async () => {
  const port = BigInt((await ovs.vsctl('get', 'Interface', 'tap0', 'ofport')).trim());
  const copy = (controllerId: number): Action => ({ kind: 'controller', maxLength: 0xffff, controllerId });
  const udp = (bytes: number): Promise<string> =>
    guest.must('python3', '-c', `import socket;socket.socket(2,2).sendto(b'x'*${bytes.toString()},('10.0.0.2',9))`);
  const watch = (cookie: bigint, actions: readonly Action[]): Flow =>
    to(0, { table: 0, cookie, match: { in_port: { value: port }, eth_type: { value: 0x800n } }, actions });
  await connection.apply([add(watch(0xfffffff000000001n, [copy(CONTROLLER)]))], never);
  await udp(1_400);
  await eventually('a packet', () => packets.length > 0);
  expect(packets).toMatchObject([{ cookie: 0xfffffff000000001n }]);
  expect(packets[0]?.data).toHaveLength(1_442);
  expect(Buffer.from(packets[0]?.data ?? []).toString('hex')).toMatch(/^fa163e000002fa163e000001080045/);
  packets = [];
  await connection.apply([add(watch(2n, [copy(0), copy(1), { kind: 'output', port: OFPP.CONTROLLER }]))], never);
  await udp(10);
  await connection.apply([add(watch(3n, [copy(CONTROLLER)]))], never);
  await udp(10);
  await eventually('a packet', () => packets.length > 0);
  expect(packets).toMatchObject([{ cookie: 3n }]);
});

test('after ovs-vswitchd was away, all is told again', async () => {
  await ovs.vswitchd.kill9();
  await eventually('lost', () => !connection.connected);
  await ovs.vswitchd.restart();
  await eventually('connected', () => connection.connected, 5_000);
  await ofctl('add-flow', BRIDGE, 'cookie=1,table=5 actions=drop');
  expect(await toldUntil('1')).toEqual(['added 1 table=5,priority=32768']);
});

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { ipToBigInt, parseIp } from '#platform/net/ip-address.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { OpenFlowConnection } from '../../agents/dataplane/protocols/openflow/connection.ts';
import type { FieldName } from '../../agents/dataplane/protocols/openflow/fields.ts';
import { OFPP } from '../../agents/dataplane/protocols/openflow/flow.ts';
import type { Action, Flow, Match } from '../../agents/dataplane/protocols/openflow/flow.ts';
import { dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';
import { type Namespace, Namespaces } from './namespaces.ts';

const never = new AbortController().signal;
const BRIDGE = 'wof0';
const GUEST = 'fa:16:3e:00:00:01';
const ELSEWHERE = 'fa:16:3e:00:00:02';
const ELSEWHERE_BITS = 0xfa163e000002n;
const REPLY_TABLE = 1;

let ovs: Ovs;
let namespaces: Namespaces;
let guest: Namespace;
let connection: OpenFlowConnection;

beforeAll(async () => {
  ovs = await startOvs({ name: 'wof-reply' });
  namespaces = new Namespaces();
  guest = await namespaces.add('wof-guest');
  await ovs.namespace.veth('tap0', guest, 'eth0', GUEST);
  await ovs.namespace.must('ip', 'link', 'set', 'tap0', 'up');
  await guest.must('ip', 'link', 'set', 'eth0', 'up');
  await guest.must('ip', 'address', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await guest.must('ip', 'address', 'add', 'fd00::1/64', 'dev', 'eth0', 'nodad');
  await ovs.addBridge(BRIDGE, 'tap0');
  connection = new OpenFlowConnection({
    dial: dialUnix,
    path: ovs.mgmtSocket(BRIDGE),
    log: nullLog,
    onConnected: () => undefined,
    onLost: () => undefined,
  });
  await connection.start(never);
});

afterAll(async () => {
  await connection.stop();
  await namespaces[Symbol.asyncDispose]();
  await ovs[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await connection.apply([{ command: 'delete' }], never);
  await guest.must('ip', 'neigh', 'flush', 'dev', 'eth0');
});

const exactly = (fields: Partial<Record<FieldName, bigint>>): Match =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { value: value }]));
const set = (field: FieldName, value: bigint): Action => ({ kind: 'set_field', field, value });
const move = (from: FieldName, to: FieldName): Action => ({ kind: 'move', from, to });
const back: Action = { kind: 'output', port: OFPP.IN_PORT };
const flow = (match: Match, actions: readonly Action[], rest: Partial<Flow> = {}): Flow => ({
  table: 0,
  priority: 100,
  cookie: 1n,
  match,
  actions,
  ...rest,
});

const apply = async (...flows: readonly Flow[]): Promise<readonly (string | undefined)[]> =>
  await connection.apply(
    flows.map((added) => ({ command: 'add', flow: added })),
    never,
  );

const address = (text: string): bigint => ipToBigInt(parseIp('ip', text));

interface Neighbour {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state: readonly string[];
}

/** What the guest knows of an address after it asked. */
const asked = async (ip: string): Promise<Neighbour | undefined> => {
  await guest.run('timeout', '0.3', 'ping', '-c1', ip);
  const all = JSON.parse(await guest.must('ip', '-json', 'neigh', 'show', 'dev', 'eth0')) as readonly Neighbour[];
  return all.find(({ dst }) => dst === ip);
};

test('ARP is answered by one flow', async () => {
  const answer = flow(exactly({ eth_type: 0x0806n, arp_op: 1n, arp_tpa: address('10.0.0.2') }), [
    move('eth_src', 'eth_dst'),
    set('eth_src', ELSEWHERE_BITS),
    set('arp_op', 2n),
    move('arp_sha', 'arp_tha'),
    move('arp_spa', 'arp_tpa'),
    set('arp_sha', ELSEWHERE_BITS),
    set('arp_spa', address('10.0.0.2')),
    back,
  ]);
  expect(await apply(answer)).toEqual([undefined]);
  expect(await asked('10.0.0.2')).toMatchObject({ lladdr: ELSEWHERE, state: ['REACHABLE'] });
  expect((await asked('10.0.0.3'))?.lladdr).toBeUndefined();
  expect(await guest.must('arping', '-c', '2', '-I', 'eth0', '10.0.0.2')).toContain('Received 2 response(s)');
});

test('ARP is answered by a short flow for each address and one for all', async () => {
  const each = flow(
    exactly({ eth_type: 0x0806n, arp_op: 1n, arp_tpa: address('10.0.0.2') }),
    [move('eth_src', 'eth_dst'), set('eth_src', ELSEWHERE_BITS)],
    { gotoTable: REPLY_TABLE },
  );
  const all = flow(
    exactly({ eth_type: 0x0806n }),
    [
      set('arp_op', 2n),
      move('arp_sha', 'arp_tha'),
      move('eth_src', 'arp_sha'),
      move('arp_tpa', 'reg0'),
      move('arp_spa', 'arp_tpa'),
      move('reg0', 'arp_spa'),
      back,
    ],
    { table: REPLY_TABLE },
  );
  expect(await apply(each, all)).toEqual([undefined, undefined]);
  expect(await asked('10.0.0.2')).toMatchObject({ lladdr: ELSEWHERE, state: ['REACHABLE'] });
});

const SOLICITATION = { eth_type: 0x86ddn, ip_proto: 58n, icmpv6_type: 135n, icmpv6_code: 0n };
const ADVERTISEMENT = { ...SOLICITATION, icmpv6_type: 136n };
/** Solicited and override (RFC 4861 §4.4). */
const FLAGS = 0x6000_0000n;

/** For each address: turns the solicitation round. With its option only: without one there is no room for the answer. */
const turned = flow(
  exactly({ ...SOLICITATION, nd_target: address('fd00::2'), nd_options_type: 1n }),
  [move('eth_src', 'eth_dst'), set('eth_src', ELSEWHERE_BITS), set('icmpv6_type', 136n)],
  { gotoTable: REPLY_TABLE },
);
/** For all: `nd_tll` can be set only where an advertisement is matched, so in another table. */
const advertised = flow(
  exactly(ADVERTISEMENT),
  [
    move('ipv6_src', 'ipv6_dst'),
    move('nd_target', 'ipv6_src'),
    set('nd_options_type', 2n),
    set('nd_reserved', FLAGS),
    move('eth_src', 'nd_tll'),
    back,
  ],
  { table: REPLY_TABLE },
);

test('a neighbour solicitation is answered by two flows in two tables', async () => {
  expect(await apply(turned, advertised)).toEqual([undefined, undefined]);
  // The checksum is right, or the guest would not believe it.
  expect(await asked('fd00::2')).toMatchObject({ lladdr: ELSEWHERE, state: ['REACHABLE'] });
  expect((await asked('fd00::3'))?.lladdr).toBeUndefined();
  // Asked whether it is still there, which goes to its own address.
  await guest.must('ip', 'neigh', 'change', 'fd00::2', 'lladdr', ELSEWHERE, 'dev', 'eth0', 'nud', 'probe');
  await eventually('reachable again', async () => (await asked('fd00::2'))?.state.includes('REACHABLE') === true);
});

test('who asks whether an address is taken, without one of his own, gets no answer', async () => {
  await apply(turned, advertised);
  await guest.must('ip', 'address', 'add', 'fd00::2/64', 'dev', 'eth0');
  const flags = async (): Promise<string> => await guest.must('ip', '-6', 'address', 'show', 'dev', 'eth0');
  await eventually('decided', async () => !/fd00::2.*tentative/.test(await flags()), 5_000);
  expect(await flags()).not.toContain('dadfailed');
  await guest.must('ip', 'address', 'del', 'fd00::2/64', 'dev', 'eth0');
});

test('no flow that matches a solicitation can set the link-layer address of an advertisement', async () => {
  const match = exactly({ ...SOLICITATION, nd_target: address('fd00::2') });
  const turn = [
    move('eth_src', 'eth_dst'),
    set('eth_src', ELSEWHERE_BITS),
    move('ipv6_src', 'ipv6_dst'),
    move('nd_target', 'ipv6_src'),
  ];
  const advertise = [set('icmpv6_type', 136n), set('nd_options_type', 2n), set('nd_reserved', FLAGS)];
  expect(await apply(flow(match, [...turn, ...advertise, set('nd_tll', ELSEWHERE_BITS), back]))).toEqual([
    'OFPBAC_MATCH_INCONSISTENT',
  ]);
  // And that of the solicitation, which it can set, is not what is sent.
  expect(await apply(flow(match, [...turn, set('nd_sll', ELSEWHERE_BITS), ...advertise, back]))).toEqual([undefined]);
  expect(await asked('fd00::2')).toMatchObject({ lladdr: GUEST });
});

test('flows that are replaced in one call let no packet fall between them', async () => {
  const other = await namespaces.add('wof-other');
  await ovs.namespace.veth('tap1', other, 'eth0', ELSEWHERE);
  await ovs.namespace.must('ip', 'link', 'set', 'tap1', 'up');
  await other.must('ip', 'link', 'set', 'eth0', 'up');
  await other.must('ip', 'address', 'add', '10.0.0.2/24', 'dev', 'eth0');
  await ovs.vsctl('add-port', BRIDGE, 'tap1');
  const port = async (device: string): Promise<number> => Number(await ovs.vsctl('get', 'Interface', device, 'ofport'));
  const [one, two] = [await port('tap0'), await port('tap1')];
  const through = (from: number, to: number, cookie: bigint): Flow =>
    flow(exactly({ in_port: BigInt(from) }), [{ kind: 'output', port: to }], { cookie });
  let rounds = 0;
  const replace = async (): Promise<void> => {
    const flows = [through(one, two, BigInt(rounds)), through(two, one, BigInt(rounds))];
    const answers = await connection.apply(
      [{ command: 'delete' }, ...flows.map((added) => ({ command: 'add' as const, flow: added }))],
      never,
    );
    expect(answers).toEqual([undefined, undefined, undefined]);
    rounds += 1;
  };
  await replace();
  await guest.must('ping', '-c1', '-W1', '10.0.0.2');
  const ping = guest.must('ping', '-q', '-i', '0.002', '-c', '500', '-W', '1', '10.0.0.2');
  let done = false;
  void ping.finally(() => {
    done = true;
  });
  while (!done) await replace();
  expect(await ping).toContain('500 received');
  expect(rounds).toBeGreaterThan(100);
});

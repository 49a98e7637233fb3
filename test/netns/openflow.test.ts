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
      expect(
        answers.flatMap((answer, at) => (answer === undefined ? [] : [`${answer}: ${formatFlow(wanted[at] as Flow)}`])),
      ).toEqual([]);
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

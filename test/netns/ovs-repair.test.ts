import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import type { NetworkIntent } from '../../agents/dataplane/model/intent.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';
import { type OvsHost, startOvsHost } from '../support/ovs-host.ts';
import { emptyDatabase } from '../support/vswitch.ts';
import { entryOf, facts, intentOf, localPort, port, vtep } from './overlay.ts';

const signal = AbortSignal.timeout(600_000);
const SELF = { hostId: 'a', vtep: vtep('a', '192.0.2.1') };
const OTHER = vtep('b', '192.0.2.2');
const OLD = vtep('c', '192.0.2.3', 8472);
const NETWORK = facts(1);
const [near, nearToo, far, farOff] = [port(1), port(2), port(3), port(4)];
/** Two guests here, one on another host, one on a host that listens on another UDP port. */
const INTENT: NetworkIntent = intentOf(
  SELF,
  NETWORK,
  [localPort(near), localPort(nearToo)],
  [entryOf(near, SELF.vtep), entryOf(nearToo, SELF.vtep), entryOf(far, OTHER), entryOf(farOff, OLD)],
);

let ovs: Ovs;
let host: OvsHost;

const settled = async (): Promise<boolean> => (await host.dataplane.planShared(signal)).length === 0;

beforeAll(async () => {
  ovs = await startOvs({ name: 'wov-rep' });
  for (const { device } of [near, nearToo])
    await ovs.namespace.must('ip', 'tuntap', 'add', 'dev', device, 'mode', 'tap');
  host = await startOvsHost(ovs, SELF);
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await ovs[Symbol.asyncDispose]();
});

/** All that is the agent's in the switch, however it is numbered; not the flows that come and go for guests' checksums. */
const state = async (): Promise<readonly string[]> => {
  const list = async (table: string, columns: string): Promise<readonly string[]> =>
    (await ovs.vsctl('--bare', '--format=table', '--no-headings', `--columns=${columns}`, 'list', table))
      .split('\n')
      .map((line) => `${table} ${line.replaceAll(/\s+/g, ' ')}`);
  const flows = (await ovs.ofctl('-O', 'OpenFlow15', '--names', '--no-stats', 'dump-flows', 'br-int')).split('\n');
  return [
    ...(await list('Bridge', 'name,datapath_type,fail_mode,protocols,external_ids')),
    ...(await list('Port', 'name,external_ids')),
    ...(await list('Interface', 'name,type,options,mtu_request,external_ids')),
    ...(await list('Flow_Table', 'name')),
    ...flows.filter((line) => line.includes('cookie') && !line.includes('controller(')),
  ].sort();
};

/** Does what is to be done; whether it is all right then. What a hand did may have cost the connection. */
const isRight = async (): Promise<boolean> => {
  try {
    await host.reconcile(INTENT);
    return await settled();
  } catch {
    return false;
  }
};

const right = async (): Promise<void> => {
  await eventually('all is right', isRight, 5_000);
};

beforeEach(async () => {
  await right();
});

/** Runs what a hand does, and waits until all is as it was. */
const repaired = async (hands: readonly (readonly string[])[]): Promise<void> => {
  const before = await state();
  for (const [tool = '', ...args] of hands) {
    if (tool === 'ovs-vsctl') await ovs.vsctl(...args);
    else await ovs.ofctl('-O', 'OpenFlow15', ...args);
  }
  // What was done comes to the agent's ears a moment later: until then it takes all for right.
  const again = async (): Promise<boolean> => (await isRight()) && (await state()).join('\n') === before.join('\n');
  await eventually('all is as it was', again, 5_000).catch(async () => {
    expect(await state()).toEqual(before);
  });
  expect(await host.plan(INTENT)).toEqual([]);
};

const cookie = `0x77656674${NETWORK.vni.toString(16).padStart(8, '0')}`;

describe('put right is', () => {
  const by = (title: string, ...hands: readonly (readonly string[])[]) => [title, hands] as const;
  const cases = [
    by('a bridge that was deleted, with all that was in it', ['ovs-vsctl', 'del-br', 'br-int']),
    by('a bridge that carries frames without flows', ['ovs-vsctl', 'set-fail-mode', 'br-int', 'standalone']),
    by('a bridge without a fail mode', ['ovs-vsctl', 'clear', 'Bridge', 'br-int', 'fail_mode']),
    by('a bridge without its mark', ['ovs-vsctl', 'remove', 'Bridge', 'br-int', 'external_ids', 'weft-host']),
    by('a bridge without any marks', ['ovs-vsctl', 'clear', 'Bridge', 'br-int', 'external_ids']),
    by('tables without names', ['ovs-vsctl', 'clear', 'Bridge', 'br-int', 'flow_tables']),
    by('a tunnel that was deleted', ['ovs-vsctl', 'del-port', 'br-int', 'vxlan-udp4789']),
    by('the tunnel to another UDP port, deleted', ['ovs-vsctl', 'del-port', 'br-int', 'vxlan-udp8472']),
    by('a tunnel to one host alone', ['ovs-vsctl', 'set', 'Interface', 'vxlan-udp4789', 'options:remote_ip=192.0.2.9']),
    by('a tunnel of one VNI alone', ['ovs-vsctl', 'set', 'Interface', 'vxlan-udp8472', 'options:key=9']),
    by('a tunnel without settings', ['ovs-vsctl', 'clear', 'Interface', 'vxlan-udp8472', 'options']),
    by('a tunnel of another kind', ['ovs-vsctl', 'set', 'Interface', 'vxlan-udp4789', 'type=geneve']),
    by('a port that was taken out', ['ovs-vsctl', 'del-port', 'br-int', near.device]),
    by('a port with another MTU', ['ovs-vsctl', 'set', 'Interface', near.device, 'mtu_request=1300']),
    by("a network's mark", [
      'ovs-vsctl',
      'remove',
      'Bridge',
      'br-int',
      'external_ids',
      `weft-vni-${NETWORK.vni.toString()}`,
    ]),
    by('all flows', ['ovs-ofctl', 'del-flows', 'br-int']),
    by("a network's flows", ['ovs-ofctl', 'del-flows', 'br-int', `cookie=${cookie}/-1`]),
    by(
      'flows that others need not have, by ports that are none',
      ['ovs-ofctl', 'add-flow', 'br-int', `cookie=${cookie},table=0,priority=100,in_port=77,actions=output:78`],
      ['ovs-ofctl', 'add-flow', 'br-int', `cookie=${cookie},table=0,priority=100,in_port=LOCAL,actions=normal`],
      ['ovs-ofctl', 'add-flow', 'br-int', `cookie=${cookie},table=12,priority=7,ct_state=+trk,ip,actions=drop`],
    ),
    by(
      'all of it at once',
      ['ovs-vsctl', 'del-port', 'br-int', nearToo.device],
      ['ovs-vsctl', 'clear', 'Bridge', 'br-int', 'flow_tables'],
      ['ovs-ofctl', 'del-flows', 'br-int'],
      ['ovs-vsctl', 'set', 'Interface', 'vxlan-udp8472', 'options:remote_ip=192.0.2.9'],
    ),
  ];

  test.each(cases)('%s', async (_what, hands) => {
    await repaired(hands);
  });

  test('a bridge that does not speak our version of OpenFlow any more', async () => {
    await ovs.vsctl('set', 'Bridge', 'br-int', 'protocols=OpenFlow10,OpenFlow13');
    await eventually('it does again', async () =>
      (await ovs.vsctl('get', 'Bridge', 'br-int', 'protocols')).includes('OpenFlow15'),
    );
    await right();
    expect(await host.plan(INTENT)).toEqual([]);
    await ovs.vsctl('clear', 'Bridge', 'br-int', 'protocols');
  });
});

test('what of the base is put right is told, with commands', async () => {
  const told = host.events.length;
  await ovs.vsctl('set-fail-mode', 'br-int', 'standalone');
  await eventually('told', () => host.events.slice(told).some(({ kind }) => kind === 'repaired'));
  const commands = host.events
    .slice(told)
    .flatMap((event) => (event.kind === 'repaired' ? event.outcomes : []))
    .map(({ operation, error }) => [operation.argv.join(' '), error]);
  expect(commands[0]).toEqual(['ovs-vsctl set Bridge br-int fail_mode=secure', undefined]);
});

test('what is not ours is left as it is, in our bridge and beside it', async () => {
  const port9 = ['--', 'set', 'Interface', 'foreign9', 'type=internal', 'mtu_request=1300', 'external_ids:x=y'];
  await ovs.vsctl('add-port', 'br-int', 'foreign9', ...port9);
  await ovs.vsctl('set', 'Bridge', 'br-int', 'external_ids:somebody=else', 'other_config:mac-table-size=99');
  await ovs.addBridge('br-other');
  await ovs.vsctl(
    'add-port',
    'br-other',
    'vxlan-o',
    '--',
    'set',
    'Interface',
    'vxlan-o',
    'type=vxlan',
    'options:remote_ip=192.0.2.9',
  );
  for (const flow of [
    'cookie=0x99,table=0,priority=50,in_port=foreign9,actions=drop',
    'table=0,priority=300,dl_type=0x88cc,actions=drop',
    'cookie=0x77656673,table=30,priority=99,actions=drop',
    // Another network of ours, which this one's look is not about.
    'cookie=0x7765667400fffffe,table=30,priority=100,metadata=0xfffffe,actions=drop',
  ])
    await ovs.ofctl('-O', 'OpenFlow15', '--names', 'add-flow', 'br-int', flow);
  await ovs.ofctl('-O', 'OpenFlow15', 'add-flow', 'br-other', 'cookie=0x7765667400000000,table=9,actions=drop');
  const others = async (): Promise<string> =>
    await ovs.ofctl('-O', 'OpenFlow15', '--no-stats', 'dump-flows', 'br-other');
  const [before, beforeOthers] = [await state(), await others()];

  await ovs.ofctl('-O', 'OpenFlow15', 'del-flows', 'br-int', `cookie=${cookie}/-1`);
  await ovs.vsctl('del-port', 'br-int', near.device);
  await host.reconcile({ ...INTENT, entries: new Map(), remoteVteps: new Map() });
  await host.reconcile(INTENT);
  await eventually('the base is right', settled);
  expect(await state()).toEqual(before);
  expect(await others()).toBe(beforeOthers);
  expect(await ovs.vsctl('get', 'Bridge', 'br-int', 'other_config:mac-table-size')).toBe('"99"\n');
  await ovs.vsctl('del-br', 'br-other', '--', 'del-port', 'foreign9');
});

test('a port of somebody else by the name of a tunnel is named, and left alone', async () => {
  await ovs.vsctl(
    'del-port',
    'br-int',
    'vxlan-udp8472',
    '--',
    'add-port',
    'br-int',
    'vxlan-udp8472',
    '--',
    'set',
    'Interface',
    'vxlan-udp8472',
    'type=vxlan',
    'options:remote_ip=192.0.2.9',
  );
  await eventually('it is named', async () =>
    host.dataplane.planShared(signal).then(
      () => false,
      (error: unknown) => error instanceof Error && error.message.includes('vxlan-udp8472 that is not weft'),
    ),
  );
  expect(await ovs.vsctl('get', 'Interface', 'vxlan-udp8472', 'options')).toBe('{remote_ip="192.0.2.9"}\n');
  await ovs.vsctl('del-port', 'br-int', 'vxlan-udp8472');
});

describe('a bridge of somebody else', () => {
  test('by that name is refused, with what to do about it, and nothing is changed', async () => {
    await ovs.addBridge('br-mine');
    const before = await ovs.vsctl('list', 'Bridge', 'br-mine');
    await expect(startOvsHost(ovs, SELF, 'br-mine')).rejects.toMatchObject({
      code: 'precondition',
      reason: 'FOREIGN_BRIDGE',
      message: expect.stringContaining('ovs-vsctl set Bridge br-mine external_ids:weft-host=a') as string,
    });
    expect(await ovs.vsctl('list', 'Bridge', 'br-mine')).toBe(before);
    // Done as the message says, it is taken.
    await ovs.vsctl(
      'set',
      'Bridge',
      'br-mine',
      'external_ids:weft-host=a',
      '--',
      'del-port',
      'br-int',
      'vxlan-udp4789',
    );
    await ovs.vsctl('del-br', 'br-mine');
  });
});

test('an agent on a switch that has nothing makes all of it', async () => {
  await host[Symbol.asyncDispose]();
  await emptyDatabase(ovs);
  host = await startOvsHost(ovs, SELF);
  expect(await settled()).toBe(true);
  await host.reconcile(INTENT);
  expect(await host.plan(INTENT)).toEqual([]);
});

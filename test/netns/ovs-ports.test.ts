import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import type { LinkEvent } from '../../agents/dataplane/model/host.ts';
import type { NetworkChange, NetworkIntent, PortView } from '../../agents/dataplane/model/intent.ts';
import { withoutRemovals } from '../../agents/dataplane/plan/removals.ts';
import { wantedRows } from '../../agents/dataplane/plan/wanted-rows.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';
import { type OvsHost, startOvsHost } from '../support/ovs-host.ts';
import { emptyDatabase } from '../support/vswitch.ts';
import { type Namespace, Namespaces } from './namespaces.ts';
import { allDone, entryOf, facts, intentOf, localPort, type Port, port, vtep } from './overlay.ts';

const signal = AbortSignal.timeout(600_000);
const SELF = { hostId: 'a', vtep: vtep('a', '192.0.2.1') };
const OTHER = vtep('b', '192.0.2.2');
const NETWORK = facts(1);
const [one, two, three, far] = [port(1), port(2), port(3), port(4)];

let ovs: Ovs;
let host: OvsHost;

beforeAll(async () => {
  ovs = await startOvs({ name: 'wov-ports' });
});

afterAll(async () => {
  await ovs[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await emptyDatabase(ovs);
  host = await startOvsHost(ovs, SELF);
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
  const names = await ovs.namespace.must('ls', '/sys/class/net');
  for (const name of names.split(/\s+/)) if (/^(?:tap|foo)/.test(name)) await remove(name);
});

const make = async (device: string): Promise<void> => {
  await ovs.namespace.must('ip', 'tuntap', 'add', 'dev', device, 'mode', 'tap');
};
const remove = async (device: string): Promise<void> => {
  await ovs.namespace.run('ip', 'link', 'del', device);
};
const ids = ({ portId, mac }: Port): readonly string[] =>
  Object.entries({ 'iface-id': portId, 'attached-mac': mac, 'vm-id': 'guest', 'iface-status': 'active' }).map(
    ([key, value]) => `external_ids:${key}="${value}"`,
  );
/** As libvirt does it (virnetdevopenvswitch.c). */
const plug = async (of: Port, device = of.device, ...settings: readonly string[]): Promise<void> => {
  const add = ['--may-exist', 'add-port', 'br-int', device];
  await ovs.vsctl(
    '--if-exists',
    'del-port',
    device,
    '--',
    ...add,
    '--',
    'set',
    'Interface',
    device,
    ...ids(of),
    ...settings,
  );
};
const unplug = async (device: string): Promise<void> => {
  await ovs.vsctl('--if-exists', 'del-port', device);
};

const told = (): readonly LinkEvent[] => host.events.flatMap((event) => (event.kind === 'link' ? [event.link] : []));
const toldOf = (device: string): readonly LinkEvent[] => told().filter(({ name }) => name === device);
/** As it was told of last; undefined when it is gone, or was never there. */
const known = (device: string): LinkEvent | undefined => {
  const last = toldOf(device).at(-1);
  return last?.kind === 'present' ? last : undefined;
};

const intent = (plugged: readonly Port[]): NetworkIntent =>
  intentOf(
    SELF,
    NETWORK,
    plugged.map((each) => localPort(each)),
    [...plugged.map((each) => entryOf(each, SELF.vtep)), entryOf(far, OTHER)],
  );

const flowsOf = async (): Promise<string> => await ovs.ofctl('-O', 'OpenFlow15', '--no-stats', 'dump-flows', 'br-int');
const numberOf = async (device: string): Promise<number> =>
  Number(await ovs.vsctl('get', 'Interface', device, 'ofport'));

describe('a port that is plugged in by the database alone', () => {
  test('is told of with its port, its MAC address and its guest, under whatever name', async () => {
    await make('foo0');
    await plug(one, 'foo0');
    await eventually('told', () => known('foo0')?.portId === one.portId);
    expect(known('foo0')).toMatchObject({ master: 'br-int', mac: one.mac, vmId: 'guest' });
    await unplug('foo0');
    await eventually('gone', () => known('foo0') === undefined);
    // The device itself is still there, and nobody's.
    expect((await ovs.namespace.run('ip', 'link', 'show', 'foo0')).status).toBe(0);
    await remove('foo0');
    expect(toldOf('foo0').filter(({ kind }) => kind === 'gone')).toHaveLength(1);
  });

  test('goes with its device, whether or not anybody takes it out, and comes again with the next', async () => {
    await make('foo0');
    await plug(one, 'foo0');
    await eventually('told', () => known('foo0') !== undefined);
    await remove('foo0');
    await eventually('gone', () => known('foo0') === undefined);
    await eventually(
      'the switch knows, too',
      async () => (await ovs.vsctl('get', 'Interface', 'foo0', 'ifindex')) === '0\n',
    );
    expect(known('foo0')).toBeUndefined();
    await make('foo0');
    await eventually('back', () => known('foo0')?.portId === one.portId);
  });

  test('whose device went while no agent was there is not there for the next agent', async () => {
    await make('foo0');
    await plug(one, 'foo0');
    await eventually('told', () => known('foo0') !== undefined);
    await host[Symbol.asyncDispose]();
    await remove('foo0');
    // The datapath in user space keeps the port, with its number.
    await eventually(
      'the switch knows',
      async () => (await ovs.vsctl('get', 'Interface', 'foo0', 'ifindex')) === '0\n',
    );
    expect(await numberOf('foo0')).toBeGreaterThan(0);
    host = await startOvsHost(ovs, SELF);
    await eventually('all links are told of', () => host.events.some(({ kind }) => kind === 'listed'));
    expect(toldOf('foo0')).toEqual([]);
  });

  test('as one of the switch itself comes and goes with its row', async () => {
    await plug(one, 'foo1', 'type=internal');
    await eventually('told', () => known('foo1')?.portId === one.portId);
    await host.reconcile(intent([{ ...one, device: 'foo1' }]));
    expect(await flowsOf()).toContain(`in_port=${(await numberOf('foo1')).toString()} `);
    expect(await host.plan(intent([{ ...one, device: 'foo1' }]))).toEqual([]);
    await unplug('foo1');
    await eventually('gone', () => known('foo1') === undefined);
  });

  test('before its device, which never comes, is told of and taken back', async () => {
    await ovs.vsctl('--no-wait', 'add-port', 'br-int', 'foo2', '--', 'set', 'Interface', 'foo2', ...ids(one));
    await eventually('the switch has looked for it', async () => (await numberOf('foo2')) === -1);
    await eventually('not there', () => known('foo2') === undefined);
    await ovs.vsctl('del-port', 'foo2');
  });

  test('plugged anew under its name, as at a restart of its guest, ends as the new one', async () => {
    for (let round = 0; round < 5; round += 1) {
      await make('foo3');
      await plug(round % 2 === 0 ? one : two, 'foo3');
      await (round % 3 === 0 ? unplug('foo3') : remove('foo3'));
      await (round % 3 === 0 ? remove('foo3') : unplug('foo3'));
    }
    await make('foo3');
    await plug(three, 'foo3');
    await eventually('the last one', () => known('foo3')?.portId === three.portId);
    expect(known('foo3')).toMatchObject({ mac: three.mac, master: 'br-int' });
  });

  test('has what another gave it left alone: its MTU, its marks, and its place when it leaves the network', async () => {
    await make(one.device);
    await plug(one, one.device, 'mtu_request=1300');
    await eventually('told', () => known(one.device) !== undefined);
    await host.reconcile(intent([one]));
    await host.reconcile(intent([]));
    expect(await ovs.vsctl('list-ports', 'br-int')).toContain(one.device);
    expect((await ovs.vsctl('get', 'Interface', one.device, 'mtu_request')).trim()).toBe('1300');
  });
});

describe('numbers of ports', () => {
  test('that change are told of, and the flows written anew, with none left behind', async () => {
    await make(one.device);
    await host.reconcile(intent([one]));
    const before = await numberOf(one.device);
    await ovs.vsctl('set', 'Interface', one.device, 'ofport_request=77');
    await eventually('told', () => host.events.some((event) => event.kind === 'row' && event.device === one.device));
    await host.reconcile(intent([one]));
    expect(await host.plan(intent([one]))).toEqual([]);
    const flows = (await flowsOf()).split('\n').filter((line) => !line.includes('controller('));
    expect(flows.filter((line) => line.includes('in_port=77 '))).toHaveLength(1);
    expect(flows.filter((line) => line.includes(`in_port=${before.toString()} `))).toEqual([]);
    expect(flows.join('\n')).not.toContain(`output:${before.toString()},`);
  });

  test('that another port has got since do it no harm: flows of who had it before go, those of who has it stay', async () => {
    await make(one.device);
    await make(two.device);
    await host.reconcile(intent([one]));
    const number = await numberOf(one.device);
    const before = intent([one]);
    await remove(one.device);
    await ovs.vsctl('del-port', one.device);
    await ovs.vsctl(
      'add-port',
      'br-int',
      two.device,
      '--',
      'set',
      'Interface',
      two.device,
      `ofport_request=${number.toString()}`,
      ...ids(two),
    );
    await eventually('the switch has given it again', async () => (await numberOf(two.device)) === number);
    await eventually('told', () => known(two.device) !== undefined);
    const after = intent([two]);
    const [gone, come] = [before.ports.get(one.portId), after.ports.get(two.portId)];
    const change = {
      ports: new Map([
        [one.portId, { before: { ...(gone && { local: gone }) }, after: {} }],
        [two.portId, { before: {}, after: { ...(come && { local: come }) } }],
      ]),
      floodAdded: [],
      floodRemoved: [],
    };
    const outcomes = await host.dataplane.apply(host.dataplane.planChange(SELF, after, change), signal);
    expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(await host.plan(after)).toEqual([]);
    expect(await flowsOf()).toContain(`in_port=${number.toString()} actions=set_field`);
  });

  test('of ports that went while no agent was there are found in flows, and those taken away', async () => {
    await make(one.device);
    await make(two.device);
    await host.reconcile(intent([one, two]));
    const number = await numberOf(one.device);
    await host[Symbol.asyncDispose]();
    await ovs.vsctl('del-port', one.device);
    await remove(one.device);
    host = await startOvsHost(ovs, SELF);
    const after = intent([two]);
    // Nothing is taken away before it is known to be wanted no more.
    await host.dataplane.apply(withoutRemovals(await host.plan(after)), signal);
    expect(await flowsOf()).toContain(`in_port=${number.toString()} `);
    await host.reconcile(after);
    expect(await host.plan(after)).toEqual([]);
    expect(await flowsOf()).not.toMatch(new RegExp(`in_port=${number.toString()} |output:${number.toString()}[,\\n]`));
  });
});

describe('a tap that is made anew under its name', () => {
  const changeOf = (before: NetworkIntent, after: NetworkIntent): NetworkChange => {
    const views = (of: NetworkIntent): PortView => {
      const local = of.ports.get(one.portId);
      return local === undefined ? {} : { local };
    };
    const ports = new Map([[one.portId, { before: views(before), after: views(after) }]]);
    return { ports, floodAdded: [], floodRemoved: [] };
  };

  test.each(['unplugged meanwhile', 'unnoticed'])('hears and is heard again: %s', async (how) => {
    await using guests = new Namespaces();
    const [first, second] = [await guests.add('one'), await guests.add('two')];
    for (const [guest, of] of [
      [first, one],
      [second, two],
    ] as const)
      await boot(guest, of);
    await eventually('both are known', () => [one, two].every(({ device }) => known(device) !== undefined));
    await host.reconcile(intent([one, two]));
    const pings = async (): Promise<boolean> => (await second.run('ping', '-c1', '-W1', one.ips[0] ?? '')).status === 0;
    expect(await pings()).toBe(true);
    for (let round = 0; round < 4; round += 1) {
      const before = known(one.device)?.index;
      await first.must('ip', 'link', 'del', 'eth0');
      await boot(first, one);
      await eventually('the new one is known', () => (known(one.device)?.index ?? before) !== before);
      if (how === 'unnoticed') await host.reconcile(intent([one, two]));
      else {
        const [all, without] = [intent([one, two]), intent([two])];
        for (const [from, to] of [
          [all, without],
          [without, all],
        ] as const)
          allDone(await host.dataplane.apply(host.dataplane.planChange(SELF, to, changeOf(from, to)), signal));
      }
      expect(await pings()).toBe(true);
      expect(await host.plan(intent([one, two]))).toEqual([]);
    }
  });

  /** A guest with the port's addresses behind its tap. */
  const boot = async (guest: Namespace, of: Port): Promise<void> => {
    await ovs.namespace.veth(of.device, guest, 'eth0', of.mac);
    await guest.must('ip', 'addr', 'add', `${of.ips[0] ?? ''}/16`, 'dev', 'eth0');
    await guest.must('ip', 'link', 'set', 'eth0', 'up');
    await ovs.namespace.must('ip', 'link', 'set', of.device, 'up');
  };
});

describe('a port that cannot be had', () => {
  const expectOthersRight = async (wanted: NetworkIntent, bad: Port): Promise<void> => {
    const { rows } = await host.observe(wanted);
    const right = wantedRows(SELF, wanted, undefined);
    expect(rows.fdb).toEqual(right.fdb);
    expect(rows.neighbours).toEqual(right.neighbours);
    expect(rows.flood).toEqual(right.flood);
    const macs = new Map(right.bridgeFdb);
    macs.delete(bad.mac);
    expect(rows.bridgeFdb).toEqual(macs);
    for (const { device } of wanted.ports.values()) {
      if (device !== bad.device) expect(await flowsOf()).toContain(`in_port=${(await numberOf(device)).toString()} `);
    }
  };

  test('because another bridge has it drops none of its neighbours, and its steps say why', async () => {
    for (const { device } of [one, two, three]) await make(device);
    await ovs.addBridge('br-other', two.device);
    const wanted = intent([one, two, three]);
    const outcomes = await host.dataplane.apply(await host.plan(wanted), signal);
    const failed = outcomes.filter(({ error }) => error !== undefined);
    expect(failed.map(({ operation }) => operation.portId ?? operation.kind)).toEqual(
      expect.arrayContaining([two.portId, 'set-flood']),
    );
    expect(
      failed.some(({ error }) => error?.includes('constraint') === true || error?.includes('unique') === true),
    ).toBe(true);
    expect(failed.filter(({ operation }) => operation.portId !== undefined && operation.portId !== two.portId)).toEqual(
      [],
    );
    await expectOthersRight(wanted, two);
    expect(await ovs.vsctl('list-ports', 'br-other')).toBe(`${two.device}\n`);
    // As soon as it can be had it is.
    await ovs.vsctl('del-br', 'br-other');
    await eventually('all is right', async () => {
      await host.reconcile(wanted).catch(() => undefined);
      return (await host.plan(wanted)).length === 0;
    });
  });

  test('because its device goes at that moment drops none of its neighbours', async () => {
    for (const { device } of [one, two, three]) await make(device);
    const wanted = intent([one, two, three]);
    await eventually('all are known', () => [one, two, three].every(({ device }) => known(device) !== undefined));
    const operations = await host.plan(wanted);
    await remove(two.device);
    const began = performance.now();
    const outcomes = await host.dataplane.apply(operations, signal);
    expect(outcomes.some(({ operation, error }) => operation.portId === two.portId && error !== undefined)).toBe(true);
    expect(performance.now() - began).toBeLessThan(3_000);
    await expectOthersRight(wanted, two);
    await host.reconcile(intent([one, three]));
    expect(await host.plan(intent([one, three]))).toEqual([]);
    expect(await ovs.vsctl('list-ports', 'br-int')).not.toContain(two.device);
  });
});

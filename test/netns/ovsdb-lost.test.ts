import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { OvsdbClient } from '../../agents/dataplane/protocols/ovsdb/client.ts';
import { comment, remove, wait } from '../../agents/dataplane/protocols/ovsdb/operation.ts';
import { OvsdbReplica } from '../../agents/dataplane/protocols/ovsdb/replica.ts';
import { VswitchDatabase } from '../../agents/dataplane/protocols/ovsdb/vswitch-database.ts';
import { Bridge, OpenVswitch, Port, vswitchTables } from '../../agents/dataplane/protocols/ovsdb/vswitch-tables.ts';
import { dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';
import { Door } from '../support/door.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';
import { type RealServer, supervise, temporaryDirectory } from '../support/real-servers.ts';
import { startServer } from '../support/server-process.ts';
import { bridgeNamed, emptyDatabase, interfaceNamed, journalOf, openDatabase } from '../support/vswitch.ts';
import { Namespaces } from './namespaces.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const soon = (ms = 5_000): AbortSignal => AbortSignal.timeout(ms);
let ovs: Ovs;

beforeAll(async () => {
  ovs = await startOvs({ name: 'wdl' });
});

afterAll(async () => {
  await ovs[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await emptyDatabase(ovs);
});

describe('a lost connection', () => {
  test('fails who waits for an answer, and then whoever asks before there is another', async () => {
    await using database = await openDatabase(ovs);
    const journal = journalOf(database.replica);
    try {
      ovs.ovsdb.pause();
      const waiting = [1, 2].map((n) => database.client.transact([comment(n.toString())], never));
      const failing = expect(Promise.allSettled(waiting)).resolves.toMatchObject(
        [1, 2].map(() => ({ reason: { code: 'unavailable', reason: 'OVSDB_CONNECTION_LOST' } })),
      );
      await ovs.ovsdb.kill9();
      await failing;
      await expect(database.client.transact([comment('3')], never)).rejects.toMatchObject({
        code: 'unavailable',
        reason: 'OVSDB_UNREACHABLE',
      });
    } finally {
      await ovs.ovsdb.restart();
    }
    await database.replica.synced(soon());
    await expect(database.client.transact([comment('4')], never)).resolves.toEqual([undefined]);
    expect(journal.filter((line) => !line.startsWith('Open_vSwitch'))).toEqual(['lost', 'connected']);
  });

  test('is made up for after a crash of ovsdb-server: exactly what changed meanwhile is told', async () => {
    await using database = await openDatabase(ovs);
    await ovs.addBridge('wdb-0');
    await ovs.addBridge('wdb-1');
    await eventually('both are seen', () => interfaceNamed(database, 'wdb-1')?.ofport !== undefined);
    const before = bridgeNamed(database, 'wdb-0');
    const journal = journalOf(database.replica);
    await ovs.ovsdb.kill9();
    await eventually('the loss is noticed', () => journal.length > 0);
    const meanwhile = JSON.stringify([
      'Open_vSwitch',
      {
        op: 'mutate',
        table: 'Open_vSwitch',
        where: [],
        mutations: [['bridges', 'delete', ['uuid', bridgeNamed(database, 'wdb-1')?.[0]]]],
      },
      { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['bridges', 'insert', ['named-uuid', 'b']]] },
      { op: 'insert', 'uuid-name': 'b', table: 'Bridge', row: { name: 'wdb-2' } },
      { op: 'update', table: 'Port', where: [['name', '==', 'wdb-0']], row: { external_ids: ['map', [['a', 'b']]] } },
    ]);
    await run('ovsdb-tool', ['transact', `${ovs.dir}/conf.db`, meanwhile]);
    // ovs-vswitchd must not add to it.
    ovs.vswitchd.pause();
    try {
      await ovs.ovsdb.restart();
      await database.replica.synced(soon());
      expect(journal).toEqual([
        'lost',
        '+Bridge wdb-2',
        '-Bridge wdb-1',
        '-Interface wdb-1',
        '-Port wdb-1',
        // What ovsdb-server keeps in memory alone (`"ephemeral": true`), until ovs-vswitchd writes it again.
        'Interface wdb-0: mac_in_use mtu ifindex admin_state link_state',
        'Open_vSwitch: bridges',
        'Port wdb-0: external_ids',
        'connected',
      ]);
      expect(bridgeNamed(database, 'wdb-0')?.[1]).toBe(before?.[1]);
    } finally {
      ovs.vswitchd.resume();
    }
  });

  test('is noticed when the server says nothing any more', async () => {
    await using client = new OvsdbClient({
      ...{ dial: dialUnix, path: ovs.dbSocket },
      ...{ probeAfterMs: 50, probeDeadlineMs: 300 },
    });
    using replica = new OvsdbReplica(client, vswitchTables);
    client.start();
    await replica.synced(soon());
    const journal = journalOf(replica);
    await new Promise((resolve) => {
      setTimeout(resolve, 700);
    });
    expect(journal).toEqual([]);
    ovs.ovsdb.pause();
    try {
      await eventually('the silence is noticed', () => journal.includes('lost'));
    } finally {
      ovs.ovsdb.resume();
    }
    await replica.synced(soon());
  });

  test('is not what the server takes it for: its `echo` is answered', async () => {
    const control = `${ovs.dir}/ovsdb-server.${ovs.ovsdb.pid.toString()}.ctl`;
    const path = `${ovs.dir}/echo.sock`;
    await run('ovs-appctl', ['-t', control, 'ovsdb-server/add-remote', 'db:Open_vSwitch,Open_vSwitch,manager_options']);
    // 1 s is the least there is; who has not answered after another is cut off.
    await ovs.vsctl(
      ...['--id=@m', 'create', 'Manager', `target="punix:${path}"`, 'inactivity_probe=1000'],
      ...['--', 'set', 'Open_vSwitch', '.', 'manager_options=@m'],
    );
    try {
      const door = new Door();
      await using client = new OvsdbClient({ dial: door.dial, path, probeAfterMs: 60_000 });
      using replica = new OvsdbReplica(client, vswitchTables);
      const journal = journalOf(replica);
      client.start();
      await replica.synced(soon());
      await eventually('two are asked', () => door.heard.split('"echo"').length > 3, 10_000);
      expect(journal).not.toContain('lost');
    } finally {
      await ovs.vsctl('del-manager');
      await run('ovs-appctl', [
        '-t',
        control,
        'ovsdb-server/remove-remote',
        'db:Open_vSwitch,Open_vSwitch,manager_options',
      ]);
    }
  });
});

test('the client is stopped: nothing is left, who waits is told, and nothing more is done', async () => {
  await using _ = leakCheck();
  const database = await openDatabase(ovs);
  const waiting = expect(
    database.client.transact([wait(Bridge, [], ['name'], '!=', [], 60_000)], never),
  ).rejects.toMatchObject({ code: 'unavailable' });
  await database.stop();
  await waiting;
  await expect(database.client.transact([comment('x')], never)).rejects.toMatchObject({ reason: 'OVSDB_UNREACHABLE' });
  const absent = new VswitchDatabase({ dial: dialUnix, path: `${ovs.dir}/nobody.sock` });
  const journal = journalOf(absent.replica);
  absent.start();
  await eventually('the first attempt failed', () => journal.length > 0);
  await expect(absent.replica.synced(soon(200))).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(journal).toEqual(['lost']);
  await absent.stop();
});

interface Cluster extends AsyncDisposable {
  readonly server: RealServer;
  vsctl(...args: readonly string[]): Promise<string>;
}

/** A cluster of one, since only clusters number their transactions. */
const startCluster = async (): Promise<Cluster> => {
  await using stack = new AsyncDisposableStack();
  const namespace = await stack.use(new Namespaces()).add('wdb-raft');
  const { path: dir } = stack.use(await temporaryDirectory());
  const socket = `${dir}/db.sock`;
  const vsctl = async (...args: readonly string[]): Promise<string> =>
    (await run('ovs-vsctl', [`--db=unix:${socket}`, '--timeout=5', '--no-wait', ...args])).stdout;
  await run('ovsdb-tool', [
    ...['create-cluster', `${dir}/conf.db`, '/usr/share/openvswitch/vswitch.ovsschema', 'tcp:127.0.0.1:6644'],
  ]);
  const server = stack.use(
    await supervise(socket, () =>
      startServer(
        [
          ...(['setpriv', '--pdeathsig', 'KILL', ...namespace.prefix, 'env', `OVS_RUNDIR=${dir}`] as const),
          ...['ovsdb-server', `${dir}/conf.db`, `--remote=punix:${socket}`, '-vconsole:off'],
        ],
        () =>
          vsctl('init').then(
            () => true,
            () => false,
          ),
      ),
    ),
  );
  const kept = stack.move();
  return { server, vsctl, [Symbol.asyncDispose]: () => kept.disposeAsync() };
};

test('a copy of a server that numbers its transactions takes up where it was', async () => {
  await using cluster = await startCluster();
  const door = new Door();
  await using client = new OvsdbClient({ dial: door.dial, path: cluster.server.url });
  using replica = new OvsdbReplica(client, vswitchTables);
  const journal = journalOf(replica);
  client.start();
  await replica.synced(soon());
  // The server remembers of its transactions no more than there is in the database, and of a large one nothing.
  const much = Array.from({ length: 1_000 }, (_, n) => `other_config:k${n.toString()}=v`);
  await cluster.vsctl('add-br', 'wdb-0', '--', 'add-br', 'wdb-1', '--', 'set', 'Bridge', 'wdb-0', ...much);
  await cluster.vsctl('add-br', 'wdb-2');
  await eventually('all are seen', () => replica.rows(Bridge).size === 3);
  for (const again of ['a', 'b']) {
    journal.length = 0;
    door.open = false;
    door.heard = '';
    door.cut();
    await cluster.vsctl('set', 'Port', 'wdb-0', `external_ids:${again}=1`);
    await cluster.vsctl('set', 'Port', 'wdb-0', `external_ids:${again}=2`);
    await cluster.vsctl('--if-exists', 'del-br', 'wdb-1', '--', 'add-br', `wdb-${again}`);
    door.open = true;
    await replica.synced(soon());
    expect(door.heard.includes('"result":[true,')).toBe(true);
    expect(journal).toEqual([
      ...['lost', `+Bridge wdb-${again}`, `+Interface wdb-${again}`, `+Port wdb-${again}`],
      ...(again === 'a' ? ['-Bridge wdb-1', '-Interface wdb-1', '-Port wdb-1'] : []),
      ...['Open_vSwitch: bridges', 'Port wdb-0: external_ids', 'connected'],
    ]);
  }
  expect([...replica.rows(Port).values()].find(({ name }) => name === 'wdb-0')?.external_ids).toEqual(
    new Map([
      ['a', '2'],
      ['b', '2'],
    ]),
  );
});

test('nothing can be live where the database was never initialized', async () => {
  await using cluster = await startCluster();
  await using database = new VswitchDatabase({ dial: dialUnix, path: cluster.server.url });
  database.start();
  await database.replica.synced(soon());
  await database.client.transact([remove(OpenVswitch, [])], never);
  await expect(database.transactLive([], never)).rejects.toMatchObject({ reason: 'OVSDB_NOT_INITIALIZED' });
});

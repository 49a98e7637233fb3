import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DomainError } from '#platform/errors/domain-error.ts';
import { eventually } from '#platform/testing/eventually.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { OvsdbClient } from '../../agents/dataplane/protocols/ovsdb/client.ts';
import { type Column, scalar, table } from '../../agents/dataplane/protocols/ovsdb/column.ts';
import {
  comment,
  insert,
  mutate,
  remove,
  select,
  update,
  wait,
} from '../../agents/dataplane/protocols/ovsdb/operation.ts';
import { OvsdbReplica } from '../../agents/dataplane/protocols/ovsdb/replica.ts';
import { namedUuid } from '../../agents/dataplane/protocols/ovsdb/uuid.ts';
import { VswitchDatabase } from '../../agents/dataplane/protocols/ovsdb/vswitch-database.ts';
import {
  Bridge,
  Interface,
  OpenVswitch,
  Port,
  vswitchTables,
} from '../../agents/dataplane/protocols/ovsdb/vswitch-tables.ts';
import { type Dial, dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';
import { Door } from '../support/door.ts';
import { type Ovs, startOvs } from '../support/ovs.ts';
import {
  bridgeNamed,
  bridgeWithPort,
  emptyDatabase,
  interfaceNamed,
  journalOf,
  openDatabase,
} from '../support/vswitch.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const soon = (ms = 5_000): AbortSignal => AbortSignal.timeout(ms);
let ovs: Ovs;

beforeAll(async () => {
  ovs = await startOvs({ name: 'wdb' });
});

afterAll(async () => {
  await ovs[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await emptyDatabase(ovs);
});

describe('a transaction', () => {
  test('brings what each operation brings', async () => {
    await using database = await openDatabase(ovs);
    const [, bridge] = await database.client.transact(bridgeWithPort('wdb-0', 'wdb-1'), never);
    expect(bridgeNamed(database, 'wdb-0')?.[0]).toBe(bridge);
    const results = await database.client.transact(
      [
        wait(Bridge, [['name', '==', 'wdb-0']], ['fail_mode'], '==', [{ fail_mode: undefined }]),
        update(Bridge, [['_uuid', '==', bridge]], { fail_mode: 'secure', protocols: ['OpenFlow14', 'OpenFlow13'] }),
        mutate(
          Bridge,
          [['protocols', 'includes', ['OpenFlow13']]],
          [
            [
              'external_ids',
              'insert',
              new Map([
                ['a', '1'],
                ['b', '2'],
                ['c', '3'],
              ]),
            ],
            ['external_ids', 'delete', ['a']],
            [
              'external_ids',
              'delete',
              new Map([
                ['b', 'something else'],
                ['c', '3'],
              ]),
            ],
          ],
        ),
        select(Bridge, [['name', '==', 'wdb-0']], ['name', 'fail_mode', 'protocols', 'external_ids']),
        comment('wdb: “a remark”'),
        remove(Bridge, [['name', '==', 'nothing has this name']]),
      ],
      never,
    );
    const row = {
      name: 'wdb-0',
      fail_mode: 'secure',
      protocols: ['OpenFlow13', 'OpenFlow14'],
      external_ids: new Map([['b', '2']]),
    };
    expect(results).toEqual([undefined, 1, 1, [{ uuid: bridge, row }], undefined, 0]);
    expect(bridgeNamed(database, 'wdb-0')?.[1]).toMatchObject(row);
    expect(await ovs.vsctl('get', 'Bridge', 'wdb-0', 'external_ids')).toBe('{b="2"}\n');
  });

  test('is refused in the server’s words, for the operation that failed, and does nothing', async () => {
    await using database = await openDatabase(ovs);
    const { client } = database;
    await client.transact(bridgeWithPort('wdb-0', 'wdb-1'), never);
    const mode = update(OpenVswitch, [], { external_ids: new Map([['wdb', 'half done']]) });
    await expect(client.transact([mode, update(Bridge, [], { fail_mode: 'loose' })], never)).rejects.toMatchObject({
      code: 'precondition',
      reason: 'OVSDB_CONSTRAINT',
      message: expect.stringMatching(/^OVSDB: update Bridge: constraint violation: loose is not one of/) as string,
      details: { operation: 'update Bridge', error: 'constraint violation' },
    });
    await expect(client.transact([mode, ...bridgeWithPort('wdb-0', 'wdb-2')], never)).rejects.toMatchObject({
      reason: 'OVSDB_CONSTRAINT',
      message: expect.stringMatching(/commit of .*insert into Bridge.*identical values \(wdb-0\)/) as string,
    });
    await expect(
      client.transact([mode, mutate(OpenVswitch, [], [['bridges', 'insert', [namedUuid('nobody')]]])], never),
    ).rejects.toMatchObject({ reason: 'OVSDB_CONSTRAINT', details: { error: 'referential integrity violation' } });
    await expect(
      client.transact([mode, wait(Bridge, [['name', '==', 'wdb-0']], ['name'], '==', [])], never),
    ).rejects.toMatchObject({ code: 'conflict', reason: 'OVSDB_CONFLICT', details: { operation: 'wait for Bridge' } });
    const Nonsense = table('Nonsense', { name: scalar('string') });
    await expect(client.transact([mode, insert(Nonsense, {})], never)).rejects.toMatchObject({
      code: 'internal',
      reason: 'OVSDB_REFUSED',
      message: expect.stringContaining('No table named Nonsense') as string,
    });
    await expect(client.transact([mode, comment('\uD800')], never)).rejects.toMatchObject({ code: 'invalid' });
    expect(await ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')).toBe('{}\n');
  });

  test('does not wait for others, and is over for a caller who gives it up', async () => {
    await using _ = leakCheck();
    await using database = await openDatabase(ovs);
    const { client } = database;
    const abort = new AbortController();
    const waiting = client.transact([wait(Bridge, [], ['name'], '!=', [], 60_000)], abort.signal);
    const counts = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const key = `k${n.toString()}`;
        const [, [found]] = await client.transact(
          [
            mutate(OpenVswitch, [], [['other_config', 'insert', new Map([[key, 'v']])]]),
            select(OpenVswitch, [], ['other_config']),
          ],
          never,
        );
        return found?.row.other_config.has(key) === true ? found.row.other_config.size : -1;
      }),
    );
    expect(counts).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(client.transact([comment('goes on')], never)).resolves.toEqual([undefined]);
  });

  test('is in the copy when it resolves', async () => {
    await using database = await openDatabase(ovs);
    for (let n = 0; n < 100; n += 1) {
      const value = n.toString();
      await database.client.transact([update(OpenVswitch, [], { external_ids: new Map([['n', value]]) })], never);
      const [row] = database.replica.rows(OpenVswitch).values();
      expect(row?.external_ids.get('n')).toBe(value);
    }
  });
});

describe('the copy', () => {
  test('follows what another process does, with less than a millisecond of our own', async () => {
    let arrived = 0;
    const stamped: Dial = (path, handlers, signal) =>
      dialUnix(
        path,
        {
          data: (chunk) => {
            arrived = performance.now();
            handlers.data(chunk);
          },
          closed: handlers.closed,
        },
        signal,
      );
    await using database = await openDatabase(ovs, stamped);
    const journal = journalOf(database.replica);
    const own: number[] = [];
    database.replica.listen({ onChange: () => own.push(performance.now() - arrived) });
    const away = (...args: readonly string[]): Promise<string> => ovs.vsctl('--no-wait', ...args);
    await away('add-br', 'wdb-0', '--', 'set', 'Bridge', 'wdb-0', 'datapath_type=netdev');
    await eventually('the bridge is seen', () => journal.length > 0);
    expect(journal.slice(0, 4)).toEqual(['+Bridge wdb-0', '+Interface wdb-0', '+Port wdb-0', 'Open_vSwitch: bridges']);
    for (let n = 0; n < 20; n += 1) await away('set', 'Interface', 'wdb-0', `external_ids:n=${n.toString()}`);
    await eventually('all are seen', () => interfaceNamed(database, 'wdb-0')?.external_ids.get('n') === '19');
    expect(own.length).toBeGreaterThanOrEqual(21);
    expect(own.sort((a, b) => a - b)[Math.floor(own.length / 2)]).toBeLessThan(1);
    await away('del-br', 'wdb-0');
    await eventually('it is gone', () => bridgeNamed(database, 'wdb-0') === undefined);
    expect(journal).toContain('-Interface wdb-0');
  });

  test('is the same however the stream is cut', async () => {
    const door = new Door();
    door.pieces = 1;
    await using database = await openDatabase(ovs, door.dial);
    await database.client.transact(bridgeWithPort('wdb-0', 'wdb-1'), never);
    await database.client.transact([update(Interface, [], { external_ids: new Map([['ключ', '{"}\\']]) })], never);
    expect(interfaceNamed(database, 'wdb-1')?.external_ids).toEqual(new Map([['ключ', '{"}\\']]));
  });

  test('takes a change that comes together with the first answer after it', async () => {
    await using other = await openDatabase(ovs);
    const door = new Door();
    door.hold();
    await using database = new VswitchDatabase({ dial: door.dial, path: ovs.dbSocket });
    const journal = journalOf(database.replica);
    database.start();
    await eventually('the answer is there', () => door.heard.includes('"result":[false'));
    await other.client.transact([update(OpenVswitch, [], { external_ids: new Map([['late', '1']]) })], never);
    await eventually('the change is there', () => door.heard.includes('update3'));
    door.release();
    await database.replica.synced(soon());
    expect(journal).toEqual(['+Open_vSwitch', 'connected', 'Open_vSwitch: external_ids']);
    expect([...database.replica.rows(OpenVswitch).values()][0]?.external_ids).toEqual(new Map([['late', '1']]));
  });

  test('is kept by monitor_cond where the server has no monitor_cond_since', async () => {
    const door = new Door();
    // As OVS 2.11 answers, which is what a newer one answers to what it does not know.
    door.answer = (message) => {
      const { method, id } = JSON.parse(message) as { readonly method: string; readonly id: number };
      return method === 'monitor_cond_since' ? JSON.stringify({ id, error: 'unknown method' }) : undefined;
    };
    await using database = await openDatabase(ovs, door.dial);
    const journal = journalOf(database.replica);
    await ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'external_ids:a=1');
    await eventually('the change is seen', () => journal.length > 0);
    door.cut();
    await ovs.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', 'external_ids:a=2');
    await eventually('it is back', () => journal.includes('connected'));
    await eventually('all is seen', () => journal.filter((line) => line.includes('external_ids')).length === 2);
    expect(door.heard).toContain('update2');
    expect(door.heard).not.toContain('update3');
  });

  test('says once what the server has against it, and asks less and less often', async () => {
    const Coloured = table('Port', { name: scalar('string'), colour: scalar('string') });
    const door = new Door();
    await using client = new OvsdbClient({ dial: door.dial, path: ovs.dbSocket });
    using replica = new OvsdbReplica(client, [Coloured]);
    const lost: DomainError[] = [];
    replica.listen({ onLost: (error) => lost.push(error) });
    client.start();
    await expect(replica.synced(soon(700))).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(lost.map(({ message }) => message)).toEqual([expect.stringContaining('colour is not a valid column name')]);
    expect(replica.current).toBe(false);
    // At once, then after 25 ms at least, 50, 100, 200 and so on: without backing off it would be 15 or more.
    expect(door.attempts).toBeGreaterThan(2);
    expect(door.attempts).toBeLessThan(8);
  });
});

describe('a live transaction', () => {
  test('is over when ovs-vswitchd has done it, for each of many at once', async () => {
    await using database = await openDatabase(ovs);
    await database.transactLive(bridgeWithPort('wdb-0', 'wdb-1'), never);
    expect(interfaceNamed(database, 'wdb-1')).toMatchObject({ ofport: expect.any(Number) as number, error: undefined });
    const ports = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const name = `wdb-p${n.toString()}`;
        const [interfaceRow] = await database.transactLive(
          [
            insert(Interface, { name, type: n % 2 === 0 ? 'internal' : 'system' }, 'i'),
            insert(Port, { name, interfaces: [namedUuid('i')] }, 'p'),
            mutate(Bridge, [['name', '==', 'wdb-0']], [['ports', 'insert', [namedUuid('p')]]]),
          ],
          never,
        );
        return database.replica.rows(Interface).get(interfaceRow);
      }),
    );
    for (const [n, row] of ports.entries()) {
      if (n % 2 === 0) expect(row).toMatchObject({ ofport: expect.any(Number) as number, error: undefined });
      else expect(row).toMatchObject({ ofport: -1, error: expect.stringContaining('No such device') as string });
    }
  });

  test('says at its deadline that ovs-vswitchd has not taken it up, and goes on when that comes back', async () => {
    await using _ = leakCheck();
    await using database = await openDatabase(ovs);
    const notCaughtUp = { code: 'deadline', reason: 'VSWITCHD_NOT_CAUGHT_UP' };
    const set = (value: string) => [update(OpenVswitch, [], { external_ids: new Map([['live', value]]) })] as const;
    ovs.vswitchd.pause();
    try {
      await expect(database.transactLive(set('1'), never, { withinMs: 50 })).rejects.toMatchObject({
        ...notCaughtUp,
        message: expect.stringMatching(/^ovs-vswitchd has not taken up configuration \d+, it is at \d+/) as string,
      });
      await expect(database.transactLive(set('2'), soon(50))).rejects.toMatchObject(notCaughtUp);
      const abort = new AbortController();
      const given = database.transactLive(set('3'), abort.signal);
      const patient = database.transactLive(set('4'), never);
      await eventually('it is written', async () =>
        (await ovs.vsctl('--no-wait', 'get', 'Open_vSwitch', '.', 'external_ids')).includes('4'),
      );
      abort.abort(new Error('enough'));
      await expect(given).rejects.toThrow('enough');
      const stopped = await openDatabase(ovs);
      const next = (): number | undefined => [...stopped.replica.rows(OpenVswitch).values()][0]?.next_cfg;
      const before = next();
      const stopping = expect(stopped.transactLive([], never)).rejects.toMatchObject({ reason: 'STOPPING' });
      await eventually('it is written', () => next() !== before);
      await stopped.stop();
      await stopping;
      ovs.vswitchd.resume();
      await expect(patient).resolves.toEqual([1]);
    } finally {
      ovs.vswitchd.resume();
    }
  });

  test('waits for ovs-vswitchd across a crash of ovsdb-server, too', async () => {
    await using database = await openDatabase(ovs);
    await ovs.vswitchd.kill9();
    let waiting: Promise<unknown>;
    try {
      waiting = database.transactLive(bridgeWithPort('wdb-0', 'wdb-1'), never, { withinMs: 20_000 });
      await eventually('it is written', () => bridgeNamed(database, 'wdb-0') !== undefined);
      await ovs.ovsdb.kill9();
    } finally {
      await ovs.ovsdb.restart();
      await ovs.vswitchd.restart();
    }
    await waiting;
    expect(interfaceNamed(database, 'wdb-1')?.ofport).toBeTypeOf('number');
  });
});

test('the declared tables are those of the schema that the server has', async () => {
  interface SchemaType {
    readonly key: string | { readonly type: string };
    readonly value?: string | { readonly type: string };
    readonly min?: number;
    readonly max?: number | 'unlimited';
  }
  const { stdout } = await run('ovsdb-client', ['get-schema', `unix:${ovs.dbSocket}`, 'Open_vSwitch']);
  const { tables } = JSON.parse(stdout) as {
    readonly tables: Record<string, { readonly columns: Record<string, { readonly type: string | SchemaType }> }>;
  };
  const atomOf = (type: SchemaType['key']): string => (typeof type === 'string' ? type : type.type);
  for (const { name, columns } of vswitchTables) {
    for (const [column, declared] of Object.entries<Column>(columns)) {
      const type = tables[name]?.columns[column]?.type ?? 'absent';
      const { key, value, min = 1, max = 1 }: SchemaType = typeof type === 'string' ? { key: type } : type;
      const single = min === 1 ? 'scalar' : 'optional';
      const expected =
        value === undefined
          ? { shape: max === 1 ? single : 'set', atom: atomOf(key) }
          : { shape: 'map', key: atomOf(key), atom: atomOf(value) };
      expect({ [`${name}.${column}`]: declared }).toEqual({ [`${name}.${column}`]: expected });
    }
  }
});

import { insert, mutate } from '../../agents/dataplane/protocols/ovsdb/operation.ts';
import type { OvsdbReplica } from '../../agents/dataplane/protocols/ovsdb/replica.ts';
import type { RowChange } from '../../agents/dataplane/protocols/ovsdb/replicated-rows.ts';
import { namedUuid } from '../../agents/dataplane/protocols/ovsdb/uuid.ts';
import { VswitchDatabase } from '../../agents/dataplane/protocols/ovsdb/vswitch-database.ts';
import {
  Bridge,
  Interface,
  OpenVswitch,
  Port,
  type VswitchTable,
} from '../../agents/dataplane/protocols/ovsdb/vswitch-tables.ts';
import { type Dial, dialUnix } from '../../agents/dataplane/sys/stream-socket.ts';
import type { Ovs } from './ovs.ts';

/** A client of it that has all there is. */
export const openDatabase = async ({ dbSocket }: Ovs, dial: Dial = dialUnix): Promise<VswitchDatabase> => {
  const database = new VswitchDatabase({ dial, path: dbSocket });
  database.start();
  await database.replica.synced(AbortSignal.timeout(5_000));
  return database;
};

/** Takes out of it what a test has put in. */
export const emptyDatabase = async ({ vsctl }: Ovs): Promise<void> => {
  const bridges = (await vsctl('list-br')).split('\n').filter((name) => name !== '');
  await vsctl(
    ...['set', 'Open_vSwitch', '.', 'external_ids={}', 'other_config={}'],
    ...bridges.flatMap((name) => ['--', 'del-br', name]),
  );
};

/** What a replica told, in short. */
export const journalOf = (replica: OvsdbReplica<VswitchTable>): string[] => {
  const journal: string[] = [];
  replica.listen({
    onChange: (changes) => {
      journal.push(...changes.map(told).sort());
    },
    onConnected: () => journal.push('connected'),
    onLost: () => journal.push('lost'),
  });
  return journal;
};

const told = ({ table, before, after }: RowChange<VswitchTable>): string => {
  const row = after ?? before;
  const name = row !== undefined && 'name' in row ? ` ${row.name ?? ''}` : '';
  if (before === undefined) return `+${table}${name}`;
  if (after === undefined) return `-${table}${name}`;
  const columns = Object.keys(before).filter((column) => Reflect.get(before, column) !== Reflect.get(after, column));
  return `${table}${name}: ${columns.join(' ')}`;
};

/** The bridge of that name in the copy, with its UUID. */
export const bridgeNamed = (database: VswitchDatabase, name: string) =>
  [...database.replica.rows(Bridge)].find(([, row]) => row.name === name);

/** The interface of that name in the copy. */
export const interfaceNamed = (database: VswitchDatabase, name: string) =>
  [...database.replica.rows(Interface).values()].find((row) => row.name === name);

/** A bridge of the userspace datapath with one internal port. */
export const bridgeWithPort = (bridge: string, port: string) =>
  [
    mutate(OpenVswitch, [], [['bridges', 'insert', [namedUuid('bridge')]]]),
    insert(Bridge, { name: bridge, datapath_type: 'netdev', ports: [namedUuid('port')] }, 'bridge'),
    insert(Port, { name: port, interfaces: [namedUuid('interface')] }, 'port'),
    insert(Interface, { name: port, type: 'internal', external_ids: new Map([['iface-id', 'x']]) }, 'interface'),
  ] as const;

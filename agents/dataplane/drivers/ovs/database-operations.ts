import { DomainError } from '#platform/errors/domain-error.ts';
import { insert, mutate, update } from '../../protocols/ovsdb/operation.ts';
import type { Operation as DatabaseOperation } from '../../protocols/ovsdb/operation.ts';
import { namedUuid } from '../../protocols/ovsdb/uuid.ts';
import { Bridge, FlowTable, Interface, OpenVswitch, Port } from '../../protocols/ovsdb/vswitch-tables.ts';
import type { BridgeColumns, DatabaseChange, NewPort } from './operations.ts';
import type { SwitchView } from './switch-view.ts';

/**
 * The transaction that makes a change; none where there is nothing left to change. `tag` tells its new rows from those of
 * other changes in the same transaction.
 */
export const databaseOperations = (
  view: SwitchView,
  change: DatabaseChange,
  tag: string,
): readonly DatabaseOperation[] => {
  switch (change.kind) {
    case 'add-bridge':
      return addBridge(view, change.columns);
    case 'set-bridge':
      return setBridge(view, change.columns);
    case 'name-tables':
      return nameTables(view, change.names, tag);
    case 'set-bridge-id':
      return setId(view, change.key, change.value);
    case 'add-port':
      return addPort(view, change.port, tag);
    case 'set-tunnel':
      return onInterface(view, change.device, { type: 'vxlan', options: toMap(change.options) });
    case 'set-mtu':
      return onInterface(view, change.device, { mtu_request: change.mtu });
    case 'set-peer':
      return onInterface(view, change.device, { type: 'patch', options: new Map([['peer', change.peer]]) });
    case 'delete-port':
      return deletePort(view, change.device);
    case 'delete-bridge':
      return deleteBridge(view);
  }
};

const toMap = (record: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(record));

const bridgeRow = (view: SwitchView): NonNullable<SwitchView['bridgeRow']> => {
  const row = view.bridgeRow;
  if (row !== undefined) return row;
  throw new DomainError('precondition', 'NO_INTEGRATION_BRIDGE', `there is no bridge ${view.bridge} any more`);
};

const addBridge = (view: SwitchView, { datapathType, failMode, ids }: BridgeColumns): readonly DatabaseOperation[] => {
  const name = view.bridge;
  if (view.bridgeRow !== undefined) return setBridge(view, { datapathType, failMode, ids });
  return [
    insert(Interface, { name, type: 'internal' }, 'own_interface'),
    insert(Port, { name, interfaces: [namedUuid('own_interface')] }, 'own_port'),
    insert(
      Bridge,
      {
        name,
        datapath_type: datapathType,
        fail_mode: failMode,
        external_ids: toMap(ids),
        ports: [namedUuid('own_port')],
      },
      'bridge',
    ),
    mutate(OpenVswitch, [], [['bridges', 'insert', [namedUuid('bridge')]]]),
  ];
};

const setBridge = (
  view: SwitchView,
  { datapathType, failMode, protocols, ids, mac }: Partial<BridgeColumns>,
): readonly DatabaseOperation[] => {
  const where = [['_uuid', '==', bridgeRow(view).uuid]] as const;
  return [
    update(Bridge, where, {
      ...(datapathType !== undefined && { datapath_type: datapathType }),
      ...(failMode !== undefined && { fail_mode: failMode }),
      ...(protocols !== undefined && { protocols }),
    }),
    ...(mac === undefined
      ? []
      : [
          mutate(Bridge, where, [
            ['other_config', 'delete', ['hwaddr']],
            ['other_config', 'insert', new Map([['hwaddr', mac]])],
          ]),
        ]),
    ...(ids === undefined
      ? []
      : [
          mutate(Bridge, where, [
            ['external_ids', 'delete', Object.keys(ids)],
            ['external_ids', 'insert', toMap(ids)],
          ]),
        ]),
  ];
};

const nameTables = (
  view: SwitchView,
  names: Readonly<Record<number, string>>,
  tag: string,
): readonly DatabaseOperation[] => {
  const tables = Object.entries(names).map(([table, name]) => ({
    table: Number(table),
    name,
    row: `table${table}_${tag}`,
  }));
  return [
    ...tables.map(({ name, row }) => insert(FlowTable, { name }, row)),
    mutate(
      Bridge,
      [['_uuid', '==', bridgeRow(view).uuid]],
      [
        ['flow_tables', 'delete', tables.map(({ table }) => table)],
        ['flow_tables', 'insert', new Map(tables.map(({ table, row }) => [table, namedUuid(row)]))],
      ],
    ),
  ];
};

const setId = (view: SwitchView, key: string, value: string | undefined): readonly DatabaseOperation[] => {
  const bridge = value === undefined ? view.bridgeRow : bridgeRow(view);
  if (bridge === undefined) return [];
  return [
    mutate(
      Bridge,
      [['_uuid', '==', bridge.uuid]],
      [
        ['external_ids', 'delete', [key]],
        ...(value === undefined ? [] : [['external_ids', 'insert', new Map([[key, value]])] as const]),
      ],
    ),
  ];
};

const addPort = (view: SwitchView, port: NewPort, tag: string): readonly DatabaseOperation[] => {
  const { device: name } = port;
  // Somebody was faster; whose it is decides the next look.
  if (view.portRows().has(name)) return [];
  const [interfaceName, portName] = [`interface_${tag}`, `port_${tag}`];
  return [
    insert(
      Interface,
      {
        name,
        type: port.type ?? '',
        options: toMap(port.options ?? {}),
        external_ids: toMap(port.interfaceIds),
        ...(port.mtu !== undefined && { mtu_request: port.mtu }),
      },
      interfaceName,
    ),
    insert(Port, { name, interfaces: [namedUuid(interfaceName)], external_ids: toMap(port.portIds) }, portName),
    mutate(Bridge, [['_uuid', '==', bridgeRow(view).uuid]], [['ports', 'insert', [namedUuid(portName)]]]),
  ];
};

const deletePort = (view: SwitchView, device: string): readonly DatabaseOperation[] => {
  const port = view.portRows().get(device);
  return port === undefined
    ? []
    : [mutate(Bridge, [['_uuid', '==', bridgeRow(view).uuid]], [['ports', 'delete', [port.portUuid]]])];
};

const deleteBridge = (view: SwitchView): readonly DatabaseOperation[] => {
  const bridge = view.bridgeRow;
  return bridge === undefined ? [] : [mutate(OpenVswitch, [], [['bridges', 'delete', [bridge.uuid]]])];
};

const onInterface = (
  view: SwitchView,
  device: string,
  row: Parameters<typeof update<typeof Interface>>[2],
): readonly DatabaseOperation[] => {
  const port = view.portRows().get(device);
  if (port === undefined) {
    throw new DomainError(
      'precondition',
      'NO_SUCH_SWITCH_PORT',
      `bridge ${view.bridge} has no port ${device} any more`,
    );
  }
  return [update(Interface, [['_uuid', '==', port.interfaceUuid]], row)];
};

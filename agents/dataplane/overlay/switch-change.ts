import { DomainError } from '#platform/errors/domain-error.ts';
import { insert, mutate, update } from '../protocols/ovsdb/operation.ts';
import type { Operation } from '../protocols/ovsdb/operation.ts';
import { namedUuid } from '../protocols/ovsdb/uuid.ts';
import type { Uuid } from '../protocols/ovsdb/uuid.ts';
import { Bridge, Interface, OpenVswitch, Port } from '../protocols/ovsdb/vswitch-tables.ts';
import { OVERLAY_ID } from './model/names.ts';
import type { OvsChange, OvsColumns } from './model/step.ts';
import { findBridge, findPort } from './switch-rows.ts';
import type { PortPlace, SwitchRows } from './switch-rows.ts';

/** The transaction that makes a change; none where what was to go is gone. Throws `precondition` when its object is. */
export const transactionOf = (rows: SwitchRows, change: OvsChange): readonly Operation[] => {
  switch (change.kind) {
    case 'add-bridge':
      return addBridge(change);
    case 'delete-bridge': {
      const bridge = findBridge(rows, change.bridge);
      return bridge === undefined ? [] : [mutate(OpenVswitch, [], [['bridges', 'delete', [bridge]]])];
    }
    case 'add-port':
      return addPort(rows, change);
    case 'delete-port': {
      const place = findPort(rows, change.port);
      return place === undefined
        ? []
        : [mutate(Bridge, [['_uuid', '==', place.bridge]], [['ports', 'delete', [place.port]]])];
    }
    case 'mark-port':
      return [
        mutate(
          Port,
          [['_uuid', '==', portOf(rows, change.port).port]],
          [
            ['external_ids', 'delete', [OVERLAY_ID]],
            ['external_ids', 'insert', marked(change.overlay)],
          ],
        ),
      ];
    case 'set':
      return setColumns(rows, change.name, change.columns);
  }
};

const marked = (overlay: string): ReadonlyMap<string, string> => new Map([[OVERLAY_ID, overlay]]);

const addBridge = (change: OvsChange & { readonly kind: 'add-bridge' }): readonly Operation[] => {
  const { bridge: name, overlay, datapathType, mtuRequest } = change;
  return [
    insert(
      Interface,
      { name, type: 'internal', ...(mtuRequest !== undefined && { mtu_request: mtuRequest }) },
      'interface',
    ),
    insert(Port, { name, interfaces: [namedUuid('interface')] }, 'port'),
    insert(
      Bridge,
      { name, datapath_type: datapathType, external_ids: marked(overlay), ports: [namedUuid('port')] },
      'bridge',
    ),
    mutate(OpenVswitch, [], [['bridges', 'insert', [namedUuid('bridge')]]]),
  ];
};

const addPort = (rows: SwitchRows, change: OvsChange & { readonly kind: 'add-port' }): readonly Operation[] => {
  const { port: name, overlay, type, isProtected } = change;
  const options = new Map(Object.entries(change.options));
  return [
    insert(Interface, { name, type, options }, 'interface'),
    insert(
      Port,
      { name, interfaces: [namedUuid('interface')], protected: isProtected, external_ids: marked(overlay) },
      'port',
    ),
    mutate(Bridge, [['_uuid', '==', bridgeOf(rows, change.bridge)]], [['ports', 'insert', [namedUuid('port')]]]),
  ];
};

const setColumns = (rows: SwitchRows, name: string, columns: OvsColumns): readonly Operation[] => {
  const operations: Operation[] = [];
  const { bridge, port, interface: face } = columns;
  if (bridge !== undefined) {
    operations.push(
      update(Bridge, [['_uuid', '==', bridgeOf(rows, name)]], {
        ...(bridge.datapathType !== undefined && { datapath_type: bridge.datapathType }),
        ...(bridge.failMode !== undefined && { fail_mode: bridge.failMode }),
      }),
    );
  }
  if (port?.isProtected !== undefined) {
    operations.push(update(Port, [['_uuid', '==', portOf(rows, name).port]], { protected: port.isProtected }));
  }
  if (face !== undefined) {
    const where = [['_uuid', '==', portOf(rows, name).interface]] as const;
    if (face.mtuRequest !== undefined) operations.push(update(Interface, where, { mtu_request: face.mtuRequest }));
    if (face.options !== undefined) {
      const kept = Object.entries(face.options).filter(([, value]) => value !== '');
      operations.push(
        mutate(Interface, where, [
          ['options', 'delete', Object.keys(face.options)],
          ['options', 'insert', new Map(kept)],
        ]),
      );
    }
  }
  return operations;
};

const bridgeOf = (rows: SwitchRows, name: string): Uuid => {
  const bridge = findBridge(rows, name);
  if (bridge === undefined) throw gone(`bridge ${name}`);
  return bridge;
};

const portOf = (rows: SwitchRows, name: string): PortPlace => {
  const place = findPort(rows, name);
  if (place === undefined) throw gone(`port ${name}`);
  return place;
};

const gone = (what: string): DomainError =>
  new DomainError('precondition', 'SWITCH_CHANGED', `there is no ${what} in Open vSwitch any more`);

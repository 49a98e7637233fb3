import type { Row } from '../protocols/ovsdb/column.ts';
import type { Uuid } from '../protocols/ovsdb/uuid.ts';
import { Bridge, Interface, OpenVswitch, Port } from '../protocols/ovsdb/vswitch-tables.ts';
import type { VswitchTable } from '../protocols/ovsdb/vswitch-tables.ts';
import { OVERLAY_ID } from './model/names.ts';
import type { ObservedHost, OvsBridge, OvsPort } from './model/observed.ts';

/** The copy of Open vSwitch' database, as far as it is looked at. */
export interface SwitchRows {
  rows<T extends VswitchTable>(table: T): ReadonlyMap<Uuid, Row<T>>;
}

/** Where a port stands in the database. */
export interface PortPlace {
  readonly bridge: Uuid;
  readonly port: Uuid;
  readonly interface: Uuid;
}

/** The UUID of a bridge, undefined when there is none of that name. */
export const findBridge = (switchRows: SwitchRows, name: string): Uuid | undefined => {
  for (const [uuid, row] of switchRows.rows(Bridge)) if (row.name === name) return uuid;
  return undefined;
};

/** Where the port of that name is, undefined when there is none. */
export const findPort = (switchRows: SwitchRows, name: string): PortPlace | undefined => {
  for (const { place, port } of eachPort(switchRows)) if (port.name === name) return place;
  return undefined;
};

/** All bridges and ports, and what ovs-vswitchd offers. */
export const readSwitch = (switchRows: SwitchRows): Pick<ObservedHost, 'bridges' | 'ports' | 'datapathTypes'> => {
  const bridges = new Map<string, OvsBridge>();
  for (const row of switchRows.rows(Bridge).values()) {
    const overlay = row.external_ids.get(OVERLAY_ID);
    bridges.set(row.name, {
      name: row.name,
      datapathType: row.datapath_type,
      failMode: row.fail_mode ?? '',
      ...(overlay !== undefined && { overlay }),
    });
  }
  const ports = new Map<string, OvsPort>();
  for (const { bridgeName, port, face } of eachPort(switchRows)) {
    const overlay = port.external_ids.get(OVERLAY_ID);
    ports.set(port.name, {
      name: port.name,
      bridge: bridgeName,
      isProtected: port.protected,
      type: face.type,
      options: face.options,
      ...(overlay !== undefined && { overlay }),
      ...(face.mtu_request !== undefined && { mtuRequest: face.mtu_request }),
      ...(face.error !== undefined && { error: face.error }),
    });
  }
  const [root] = switchRows.rows(OpenVswitch).values();
  return { bridges, ports, datapathTypes: root?.datapath_types ?? [] };
};

interface FoundPort {
  readonly place: PortPlace;
  readonly bridgeName: string;
  readonly port: Row<typeof Port>;
  readonly face: Row<typeof Interface>;
}

/** Every port that a bridge has, with the first of its interfaces. */
function* eachPort(switchRows: SwitchRows): Generator<FoundPort> {
  const ports = switchRows.rows(Port);
  const interfaces = switchRows.rows(Interface);
  for (const [bridge, row] of switchRows.rows(Bridge)) {
    for (const uuid of row.ports) {
      const port = ports.get(uuid);
      const [first] = port?.interfaces ?? [];
      const face = first === undefined ? undefined : interfaces.get(first);
      if (port === undefined || first === undefined || face === undefined) continue;
      yield { place: { bridge, port: uuid, interface: first }, bridgeName: row.name, port, face };
    }
  }
}

import type { Row } from '../../protocols/ovsdb/column.ts';
import type { Uuid } from '../../protocols/ovsdb/uuid.ts';
import { Bridge, Interface, OpenVswitch, Port } from '../../protocols/ovsdb/vswitch-tables.ts';
import type { VswitchTable } from '../../protocols/ovsdb/vswitch-tables.ts';
import { INDEX_OF_PORT, NETWORK_OF_PORT, PORT_OF_PORT, TUNNEL_MARK, UPLINK_MARK } from './marks.ts';
import type { SwitchDevice } from './device-merge.ts';
import type { SwitchPort, SwitchPorts } from './observed.ts';

/** The copy of the switch's database, as far as it is looked at. */
export interface SwitchRows {
  rows<T extends VswitchTable>(table: T): ReadonlyMap<Uuid, Row<T>>;
}

/** A port of the bridge with the rows it is made of. */
export interface PortRows {
  readonly portUuid: Uuid;
  readonly port: Row<typeof Port>;
  readonly interfaceUuid: Uuid;
  readonly interface: Row<typeof Interface>;
}

/** The integration bridge as the switch's database has it, read anew at each question. */
export class SwitchView {
  readonly #rows: SwitchRows;
  readonly bridge: string;
  readonly #guests = new Map<string, { readonly of: PortRows; readonly device: SwitchDevice }>();

  constructor(rows: SwitchRows, bridge: string) {
    this.#rows = rows;
    this.bridge = bridge;
  }

  get bridgeRow(): { readonly uuid: Uuid; readonly row: Row<typeof Bridge> } | undefined {
    for (const [uuid, row] of this.#rows.rows(Bridge)) if (row.name === this.bridge) return { uuid, row };
    return undefined;
  }

  get root(): Row<typeof OpenVswitch> | undefined {
    const [root] = this.#rows.rows(OpenVswitch).values();
    return root;
  }

  /**
   * Whether the datapath takes a checksum that a guest has left unfinished for finished: one in user space does, unless it
   * reads the marks that the kernel puts on such frames (ovs-vswitchd.conf.db(5), `userspace-tso-enable`).
   */
  get leavesChecksums(): boolean {
    return (
      this.bridgeRow?.row.datapath_type === 'netdev' && this.root?.other_config.get('userspace-tso-enable') !== 'true'
    );
  }

  /** Ports with one interface, which is all but bonds, by the device's name; the bridge's own included. */
  portRows(): ReadonlyMap<string, PortRows> {
    const found = new Map<string, PortRows>();
    const ports = this.#rows.rows(Port);
    const interfaces = this.#rows.rows(Interface);
    for (const portUuid of this.bridgeRow?.row.ports ?? []) {
      const port = ports.get(portUuid);
      const [interfaceUuid, another] = port?.interfaces ?? [];
      if (port === undefined || interfaceUuid === undefined || another !== undefined) continue;
      const row = interfaces.get(interfaceUuid);
      if (row !== undefined) found.set(row.name, { portUuid, port, interfaceUuid, interface: row });
    }
    return found;
  }

  rows<T extends VswitchTable>(table: T): ReadonlyMap<Uuid, Row<T>> {
    return this.#rows.rows(table);
  }

  /** Ports that may be a guest's. A row that has not changed is the same object as before. */
  guests(isOwn: (device: string) => boolean): ReadonlyMap<string, SwitchDevice> {
    const guests = new Map<string, SwitchDevice>();
    for (const [name, rows] of this.portRows()) {
      if (isOwn(name)) continue;
      const known = this.#guests.get(name);
      const isKnown = known?.of.interface === rows.interface && known.of.port === rows.port;
      const device = isKnown ? known.device : guestOf(rows);
      guests.set(name, device);
      if (!isKnown) this.#guests.set(name, { of: rows, device });
    }
    for (const name of this.#guests.keys()) if (!guests.has(name)) this.#guests.delete(name);
    return guests;
  }

  ports(): SwitchPorts {
    const ports = new Map<string, SwitchPort>();
    for (const [device, rows] of this.portRows()) ports.set(device, portOf(device, rows));
    return ports;
  }
}

/** -1: the switch could not open the device (ovs-vswitchd.conf.db(5), Interface `ofport`). */
const validOfport = (ofport: number | undefined): number | undefined =>
  ofport !== undefined && ofport > 0 ? ofport : undefined;

const portOf = (device: string, { port, interface: row }: PortRows): SwitchPort => {
  const ofport = validOfport(row.ofport);
  const networkOf = port.external_ids.get(NETWORK_OF_PORT);
  const index = port.external_ids.get(INDEX_OF_PORT);
  const peer = row.type === 'patch' ? row.options.get('peer') : undefined;
  return {
    device,
    isOurs: [PORT_OF_PORT, TUNNEL_MARK, UPLINK_MARK].some((mark) => port.external_ids.has(mark)),
    ...(ofport !== undefined && { ofport }),
    ...(row.error !== undefined && { error: row.error }),
    ...(networkOf !== undefined && { networkOf }),
    ...(row.mtu_request !== undefined && { mtuRequest: row.mtu_request }),
    ...(index !== undefined && { index: Number(index) }),
    ...(peer !== undefined && { peer }),
  };
};

/** A datapath in user space keeps a port whose device has gone: its `ifindex` is 0 then (netdev-linux.c). */
const guestOf = ({ port, interfaceUuid, interface: row }: PortRows): SwitchDevice => {
  const isOurs = port.external_ids.has(PORT_OF_PORT);
  const [portId, mac, vmId] = ['iface-id', 'attached-mac', 'vm-id'].map((key) => row.external_ids.get(key));
  return {
    uuid: interfaceUuid,
    isOurs,
    isBroken: row.error !== undefined || row.ofport === -1 || row.ifindex === 0,
    ...(portId !== undefined && { portId }),
    ...(mac !== undefined && { mac }),
    ...(vmId !== undefined && { vmId }),
  };
};

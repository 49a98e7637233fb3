import {
  EventKind,
  type Event,
  type LocalNetwork,
  type Operation as WireOperation,
  type OperationResult,
} from '#proto/weft/agent/v1/agent.ts';
import { Driver } from '#proto/weft/type/v1/network.ts';
import type { Dataplane, NetworkDevices } from '../model/host.ts';
import { commandOf, type Operation, type Outcome } from '../model/operation.ts';
import type { HostEvent } from '../reconcile/event-log.ts';
import type { NetworkWorker } from '../reconcile/network-worker.ts';

/** The names of dataplanes on the wire. */
export const WIRE_DRIVER = {
  linuxbridge: Driver.DRIVER_LINUXBRIDGE,
  ovs: Driver.DRIVER_OVS,
} as const satisfies Readonly<Record<Dataplane['name'], Driver>>;

/** The names of events on the wire. */
export const WIRE_EVENT = {
  'port-up': EventKind.EVENT_KIND_PORT_UP,
  'port-down': EventKind.EVENT_KIND_PORT_DOWN,
  'device-unknown': EventKind.EVENT_KIND_DEVICE_UNKNOWN,
  drift: EventKind.EVENT_KIND_DRIFT,
  repair: EventKind.EVENT_KIND_REPAIR,
  refused: EventKind.EVENT_KIND_REFUSED,
  resync: EventKind.EVENT_KIND_RESYNC,
  lost: EventKind.EVENT_KIND_LOST,
  warning: EventKind.EVENT_KIND_WARNING,
  machine: EventKind.EVENT_KIND_MACHINE,
} as const satisfies Readonly<Record<HostEvent['kind'], EventKind>>;

export const toWireOperation = (operation: Operation): WireOperation => ({
  kind: operation.kind,
  command: commandOf(operation),
  reason: operation.reason,
  network_id: operation.networkId ?? '',
  port_id: operation.portId ?? '',
});

export const toWireOutcome = ({ operation, error }: Outcome): OperationResult => ({
  operation: toWireOperation(operation),
  done: error === undefined,
  error: error ?? '',
});

export const toWireEvent = (event: HostEvent): Event => ({
  kind: WIRE_EVENT[event.kind],
  time: event.time.toISOString(),
  network_id: event.networkId ?? '',
  port_id: event.portId ?? '',
  device_name: event.device ?? '',
  message: event.message,
  results: (event.outcomes ?? []).map(toWireOutcome),
  trace_id: event.traceId ?? '',
});

export const toWireNetwork = (worker: NetworkWorker, devices: NetworkDevices): LocalNetwork => {
  const { table, lastAudit } = worker;
  let remote = table.entries.size;
  for (const portId of table.ports.keys()) if (table.entries.has(portId)) remote -= 1;
  return {
    network_id: table.networkId,
    segmentation_id: table.provider === undefined ? table.vni : (table.provider.vlan ?? 0),
    bridge_name: devices.bridge,
    vxlan_name: devices.tunnel,
    mtu: table.mtu,
    revision: String(table.revision),
    entry_count: remote,
    digest: lastAudit?.digest ?? '',
    audit_time: lastAudit?.time.toISOString(),
    drift_repaired: String(worker.driftRepaired),
  };
};

import type { Log } from '#platform/log/log.ts';
import type { Dataplane } from '../model/host.ts';
import type { ForwardingFeed, ForwardingSource } from '../model/control-plane.ts';
import type { ForwardingEntry, HostIdentity, LocalPort } from '../model/intent.ts';
import type { EventLog } from './event-log.ts';
import type { Later } from './later.ts';
import type { NetworkTable } from '../intake/network-table.ts';

/** Where desired states are kept across restarts; writes are in order per network and never hold up the kernel. */
export interface DesiredStates {
  record(table: NetworkTable, portIds: Iterable<string>): void;
  forget(networkId: string): void;
}

/** What a network's worker is told to tell. */
export interface WorkerObserver {
  /** l2pop says that a port plugged here is bound here no more: the device is left alone until something new is said. */
  withdrawn(port: LocalPort): void;
  /** l2pop says that a port is bound here that is not plugged, or with another generation. */
  assigned(entry: ForwardingEntry): void;
  /** A network was read back and its digest is news. */
  audited(): void;
}

/** What a network's worker works with; the same for all networks of a host. */
export interface WorkerTools {
  readonly host: HostIdentity;
  readonly dataplane: Dataplane;
  readonly source: ForwardingSource;
  readonly feed: ForwardingFeed;
  readonly states: DesiredStates;
  readonly events: EventLog;
  readonly observer: WorkerObserver;
  readonly log: Log;
  readonly later: Later;
  readonly timing: WorkerTiming;
}

export interface WorkerTiming {
  /** After the last change of a network until its kernel state is read back. */
  readonly settleMs: number;
  /** Between two looks at a network that nobody changes. */
  readonly auditIntervalMs: number;
  /** At most this often is one network looked at, whatever happens. */
  readonly auditSpacingMs: number;
  /** How long a start waits for the control plane before it goes by what is on disk. */
  readonly startGraceMs: number;
}

import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Carrier } from '#platform/telemetry/spans.ts';
import type { ReportedNetwork, Verdict } from '../domain/advice.ts';
import type { ForwardingEntry, Host, Network, Port } from '../domain/entry.ts';
import type { Applied, OperationBatch, TableRevision, TableSnapshot, TableState } from '../domain/table.ts';

/** Where tables are changed. */
export interface TableWriter {
  /**
   * Applies a batch atomically: one new revision when it changes anything, none otherwise. Idempotent. `knownMembers` is
   * the members version the caller has. DomainError `unavailable`: nobody knows whether it was done, so do it again.
   */
  apply(networkId: Uuid, batch: OperationBatch, knownMembers: number, signal: AbortSignal): Promise<Applied>;
}

/** The changes since a revision, oldest first and without holes; `expired` when they are no longer kept. */
export type ChangesSince =
  | { readonly expired: false; readonly revision: number; readonly changes: readonly TableRevision[] }
  | { readonly expired: true; readonly revision: number };

/** Where tables are read. A network without a table has an empty one at revision 0. */
export interface TableReader {
  snapshot(networkId: Uuid, signal: AbortSignal): Promise<TableSnapshot>;
  /** Entries in port id order, and the revision they were read at. */
  page(networkId: Uuid, after: string | undefined, limit: number, signal: AbortSignal): Promise<EntryPage>;
  /** At most `limit` revisions. */
  changesSince(networkId: Uuid, revision: number, limit: number, signal: AbortSignal): Promise<ChangesSince>;
  /** In the order of the ids. */
  states(networkIds: readonly Uuid[], signal: AbortSignal): Promise<readonly TableState[]>;
}

export interface EntryPage {
  readonly revision: number;
  readonly entries: readonly ForwardingEntry[];
  /** The last id of this page when there are more. */
  readonly next?: string;
}

/** Which networks have or may get a table. */
export interface NetworkIndex {
  has(networkId: Uuid, signal: AbortSignal): Promise<boolean>;
  /** Ids in order. */
  list(after: string | undefined, limit: number, signal: AbortSignal): Promise<readonly Uuid[]>;
  /** Notes networks that exist, in these revisions; a table that was closed for an older one is opened again. */
  add(networks: readonly { readonly id: Uuid; readonly revision: number }[], signal: AbortSignal): Promise<void>;
  /**
   * Closes the table of a network that was deleted (in that revision, 0 when not known) to new entries; once it has none
   * it is forgotten. Returns how many it still has.
   */
  retire(networkId: Uuid, revision: number, signal: AbortSignal): Promise<number>;
}

/** An entry with the revision of its port. */
export interface AuditedEntry {
  readonly portId: Uuid;
  readonly portRevision: number;
}

/** For comparing tables with topology's record. */
export interface TableAudit {
  entries(networkId: Uuid, signal: AbortSignal): Promise<readonly AuditedEntry[]>;
  /** Makes good what of a table follows from its entries, when its store lost a part of it; true when there was a need. */
  mend(networkId: Uuid, signal: AbortSignal): Promise<boolean>;
}

export interface Acknowledgement {
  readonly networkId: Uuid;
  readonly hostId: HostId;
  readonly revision: number;
}

/** How far hosts are. */
export interface HostProgressStore {
  /** Notes acknowledgements; one older than known or newer than the table changes nothing, nor does one of a host without entries. */
  acknowledge(acks: readonly Acknowledgement[], now: number, signal: AbortSignal): Promise<void>;
  /** Notes a report; one verdict per reported network, undefined for networks without a table. */
  report(
    hostId: HostId,
    networks: readonly ReportedNetwork[],
    now: number,
    signal: AbortSignal,
  ): Promise<readonly (Verdict | undefined)[]>;
}

/** topology, as far as this service asks it. Pages are read as they are needed. */
export interface Topology {
  hosts(signal: AbortSignal): AsyncIterable<readonly Host[]>;
  networks(signal: AbortSignal): AsyncIterable<readonly Network[]>;
  /** All ports, or those bound to a host. */
  ports(boundTo: HostId | undefined, signal: AbortSignal): AsyncIterable<readonly Port[]>;
  host(id: HostId, signal: AbortSignal): Promise<Host | undefined>;
  network(id: Uuid, signal: AbortSignal): Promise<Network | undefined>;
  port(id: Uuid, signal: AbortSignal): Promise<Port | undefined>;
}

/** What happened in topology, and which trace it belongs to. */
export interface Cause {
  /** In a word. */
  readonly name: string;
  /** When it was committed, milliseconds since the epoch. */
  readonly time: number;
  readonly trace: Carrier;
}

/** Tells all hosts of a change, once, whether they listen or not; throws `unavailable` when it could not be sent. */
export interface DeltaPublisher {
  publish(networkId: Uuid, revision: TableRevision, trace: Carrier): void;
}

/** The changes of one network as they are published, by any replica; some may be missed. */
export interface DeltaFeed {
  /**
   * Resolves when nothing published from now on is missed, as long as the connection holds. The listener gets undefined for
   * a change that is too large to be published: the store has it.
   */
  follow(
    networkId: Uuid,
    listener: (revision: TableRevision | undefined) => void,
    signal: AbortSignal,
  ): Promise<AsyncDisposable>;
}

/** How a change travels to hosts. */
export interface DeltaCodec {
  encode(networkId: Uuid, revision: TableRevision): Uint8Array;
  /** Undefined for a change that was too large to travel. Throws `invalid`. */
  decode(data: Uint8Array): TableRevision | undefined;
}

import type { HostId, Uuid } from '#platform/net/names.ts';
import type { ForwardingEntry, Vtep } from './entry.ts';

/**
 * Orders what is known of one port's place: first by the port's own revision, then by the revision of the host it is
 * bound to, since a host that gets another VTEP changes the entry without changing the port.
 */
export interface PlaceVersion {
  readonly port: number;
  /** 0 when the host was not known. */
  readonly host: number;
}

/** The `host` part of what is known of a port that is gone: nothing of the same port revision comes after it. */
export const GONE = Number.MAX_SAFE_INTEGER;

/**
 * What is to be done to a network's table. Applying an operation again, or after a newer one of its port, changes
 * nothing.
 */
export type TableOperation =
  | {
      readonly kind: 'set';
      readonly version: PlaceVersion;
      readonly entry: ForwardingEntry;
      /** Delivered before, so that what it led to may never have been published. */
      readonly redelivered: boolean;
    }
  | {
      readonly kind: 'remove';
      readonly version: PlaceVersion;
      readonly portId: Uuid;
      readonly redelivered: boolean;
    }
  /** The port is known to be gone, though not by an event: removes its entry if that still is of `portRevision`. */
  | { readonly kind: 'expel'; readonly portId: Uuid; readonly portRevision: number };

/** Operations that become one revision together, and what caused them. */
export interface OperationBatch {
  readonly operations: readonly TableOperation[];
  /** In a word: the RPC or the loop that did it. */
  readonly cause: string;
  /** When the (earliest) cause was committed, milliseconds since the epoch. */
  readonly time: number;
}

/** One change of a forwarding table; `previous` is the entry whose place was taken. */
export type TableChange =
  | { readonly kind: 'set'; readonly entry: ForwardingEntry; readonly previous?: ForwardingEntry }
  | { readonly kind: 'removed'; readonly entry: ForwardingEntry };

/** The changes that led from the revision before to `revision`; revisions have no holes. */
export interface TableRevision {
  readonly revision: number;
  readonly cause: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly changes: readonly TableChange[];
}

/** What a batch did. */
export interface Applied {
  /** The table's revision after it. */
  readonly revision: number;
  /** What it changed; absent when it changed nothing. */
  readonly made?: TableRevision;
  /** What its redelivered operations had led to at their first time, as far as it is still kept. */
  readonly repeated: readonly TableRevision[];
  /** Another one when other hosts have entries. */
  readonly membersVersion: number;
  /** The hosts that have entries; given when the caller knew another version of them. */
  readonly members?: readonly HostId[];
}

/** A whole table at one revision. */
export interface TableSnapshot {
  readonly revision: number;
  readonly entries: readonly ForwardingEntry[];
}

/** What the last report or acknowledgement of a host said about a network. */
export interface HostRecord {
  readonly ackedRevision: number;
  /** 16 hexadecimal digits; empty when it has never read back. */
  readonly digest: string;
  readonly digestRevision: number;
  /** What the digest should have been at that revision; empty when that was no longer known. */
  readonly expectedDigest: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Rows repaired, all reports together. */
  readonly driftRepaired: number;
}

/** A host that has entries in a table. */
export interface Member {
  readonly vtep: Vtep;
  readonly entries: number;
  /** Absent until it was heard of. */
  readonly record?: HostRecord;
}

/** A network's table without its entries. */
export interface TableState {
  readonly networkId: Uuid;
  readonly revision: number;
  /** In host id order. */
  readonly members: readonly Member[];
}

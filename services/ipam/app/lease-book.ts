import type { KeyRange, Lease, LeaseFilter, Space, Want } from '../domain/leasing.ts';
import type { IdempotentRequest } from '#platform/store/idempotency.ts';

/** A record of the store that must still be as it was read, or must still not exist (version 0). */
export interface Fence {
  readonly collection: string;
  readonly id: string;
  readonly version: number;
}

export interface LeaseRequest {
  readonly holder: string;
  readonly group: string;
  readonly spaces: readonly Space[];
  readonly wants: readonly Want[];
  /** A holder has one lease at most in its group: another than the one wanted is `occupied`. */
  readonly single: boolean;
  /** Nothing is given unless it holds at that very moment; with one, giving bumps the spaces' guards. */
  readonly fence: Fence | undefined;
  /** Milliseconds since the epoch: the leases' time. */
  readonly now: number;
  readonly request: IdempotentRequest;
  /** Find out what would be given, and give nothing. */
  readonly dryRun: boolean;
}

export type LeaseOutcome =
  /** What was wanted, in that order, then what else the holder has in the group. */
  | { readonly kind: 'held'; readonly leases: readonly Lease[] }
  /** The fence does not hold: read again. */
  | { readonly kind: 'stale' }
  /** None of the spaces of this want (its place in the request) has a free key. */
  | { readonly kind: 'full'; readonly want: number }
  /** Another holder has the key that this want chose, or all of those it would take any of. */
  | { readonly kind: 'taken'; readonly want: number }
  /** The holder has this one instead. */
  | { readonly kind: 'occupied'; readonly lease: Lease };

export interface LeaseRelease {
  readonly holder: string;
  /** Undefined: of all groups. */
  readonly group: string | undefined;
  /** Empty: all. */
  readonly filters: readonly LeaseFilter[];
  readonly request: IdempotentRequest;
  readonly dryRun: boolean;
}

/** Where a listing goes on. */
export interface LeasePage {
  /** What the last lease of the page before gave as its place; undefined: from the beginning. */
  readonly after: string | undefined;
  readonly limit: number;
}

/** A lease and its place in the listing it came from. */
export interface ListedLease {
  readonly lease: Lease;
  readonly place: string;
}

/**
 * Who holds which key, kept so that no two holders ever have one key of a space, whoever asks at the same time and
 * whatever crashes. Each call is one atomic step, done or not done; `unavailable` when its outcome is not known. Then
 * asking again is safe: a holder is given what it has already.
 *
 * Of a range, keys that were never given come first, in order, then released ones, the longest released first, so that a
 * key rests before it comes back. (A change of a space's ranges forgets how long keys have rested.) The time of a call
 * does not depend on how large a space is.
 *
 * Each lease that is given under a fence writes the record `guardId(space)` of the store, so that a transaction that has
 * read it and then counts leases is refused when one is given meanwhile.
 */
export interface LeaseBook {
  readonly family: LeaseFamily;
  /** DomainError `invalid` REQUEST_ID_REUSED. */
  allocate(request: LeaseRequest, signal: AbortSignal): Promise<LeaseOutcome>;
  /** What was released, in key order. DomainError `invalid` REQUEST_ID_REUSED. */
  release(release: LeaseRelease, signal: AbortSignal): Promise<readonly Lease[]>;
  /** In key order. */
  leasesOf(space: string, page: LeasePage, signal: AbortSignal): Promise<readonly ListedLease[]>;
  /** Of all groups, in key order. */
  leasesBy(holder: string, page: LeasePage, signal: AbortSignal): Promise<readonly ListedLease[]>;
  /** How many keys of a space, or of one range of it, are held. */
  count(space: string, range: KeyRange | undefined, signal: AbortSignal): Promise<number>;
  /** Forgets which keys of a space were given before, so that nothing of it is left; unless one is held. */
  forget(space: string, signal: AbortSignal): Promise<void>;
}

/** Books that know nothing of each other. */
export type LeaseFamily = 'address' | 'mac' | 'segment';

/** The id, in the collection of guards, of a space of a book. */
export const guardId = (family: LeaseFamily, space: string): string => `${family}:${space}`;

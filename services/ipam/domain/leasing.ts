import type { LeaseKey } from './lease-key.ts';

/** Both ends included; keys of one kind. */
export interface KeyRange {
  readonly first: LeaseKey;
  readonly last: LeaseKey;
}

/** A set of keys of which each has one holder at most: a subnet, the MAC addresses of a network, the VNIs. */
export interface Space {
  readonly id: string;
  /** Where the next free key is taken from, in this order; they do not overlap. Other keys may be chosen all the same. */
  readonly ranges: readonly KeyRange[];
}

/** One thing asked for; `from` are places in the list of spaces, the preferred one first. */
export type Want =
  /** The next free key; whatever the holder has in one of these spaces already is as good. */
  | { readonly kind: 'next'; readonly from: readonly number[] }
  /** This key and no other. */
  | { readonly kind: 'chosen'; readonly from: readonly [number]; readonly key: LeaseKey }
  /** The first of these keys that is free; whatever the holder has in the space already is as good. */
  | { readonly kind: 'any'; readonly from: readonly [number]; readonly keys: readonly LeaseKey[] };

/** A key in the hands of a holder. */
export interface Lease {
  readonly key: LeaseKey;
  readonly space: string;
  /** What the holder's leases are told apart by: the network; empty where there is one group only. */
  readonly group: string;
  readonly holder: string;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
}

/** Which of a holder's leases to release: those that have all that is named. */
export interface LeaseFilter {
  readonly space?: string;
  readonly key?: LeaseKey;
}

/**
 * The order in which wants must be met so that all are met whenever they can be: what is chosen before what is free to
 * vary, and what has one space before what has several. Gives places in `wants`.
 */
export const meetingOrder = (wants: readonly Want[]): readonly number[] => {
  const freedom = ({ kind, from }: Want): number => (kind === 'chosen' ? 0 : from.length);
  return wants
    .map((want, at) => ({ at, freedom: freedom(want) }))
    .sort((a, b) => a.freedom - b.freedom || a.at - b.at)
    .map(({ at }) => at);
};

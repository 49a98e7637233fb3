import type { Collection } from '#platform/store/store.ts';
import type { NetworkSubnets } from '../domain/network-subnets.ts';
import type { SegmentRange, SegmentRanges } from '../domain/segment.ts';
import type { Subnet } from '../domain/subnet.ts';

/** What this service keeps in its store. */
export interface IpamRecords {
  /** By the subnet's id; in the index `networkIndex(id)`. */
  readonly subnets: Collection<Subnet>;
  /**
   * By the network's id; none while it has no subnets. Every change of a subnet writes it, so that two creations in one
   * network never overlook each other, and one version stands for all that an allocation was planned upon.
   */
  readonly networks: Collection<NetworkSubnets>;
  readonly segmentRanges: Collection<SegmentRange>;
  /** By `spaceIdOf` the kind; what `networks` is to subnets. */
  readonly segmentSpaces: Collection<SegmentRanges>;
  /** By `guardId`; written by the lease book with each lease that it gives. */
  readonly guards: Collection<string>;
}

/** The index of a network's subnets. */
export const networkIndex = (networkId: string): string => `network:${networkId}`;

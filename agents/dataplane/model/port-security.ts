import type { Cidr } from '#platform/net/cidr.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';

/** Addresses that a port may use beside its own. */
export interface AddressPair {
  readonly mac: MacAddress;
  readonly cidr: Cidr;
}

/** What a port may send beyond its record's own MAC and IP addresses. */
export interface PortSecurity {
  /** Whether anything is checked at all. */
  readonly enabled: boolean;
  readonly pairs: readonly AddressPair[];
  /** Of the port's record: of two words about one port the higher one holds, and of equal ones the later. */
  readonly revision: bigint;
}

/** Why a frame of a guest is dropped: as counters, metrics and the command line call it. */
export const SPOOF_REASONS = [
  'source-mac',
  'vlan-tag',
  'arp-sender',
  'ipv4-source',
  'ipv6-source',
  'nd-target',
  'dhcp-server',
  'router-advertisement',
] as const;

export type SpoofReason = (typeof SPOOF_REASONS)[number];

/** Frames that a port has sent and that were dropped, by reason; without those of which there were none. */
export type SpoofedFrames = ReadonlyMap<SpoofReason, number>;

/** Of a port that nothing is known of but its record: its own addresses and no other. */
export const OWN_ADDRESSES_ONLY: PortSecurity = { enabled: true, pairs: [], revision: 0n };

/** Whether two words about a port let the same pass, whatever their revisions. */
export const sameSecurity = (a: PortSecurity, b: PortSecurity): boolean =>
  a.enabled === b.enabled &&
  a.pairs.length === b.pairs.length &&
  a.pairs.every(({ mac, cidr }, at) => mac === b.pairs[at]?.mac && cidr.text === b.pairs[at].cidr.text);

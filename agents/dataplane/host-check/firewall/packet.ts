import type { IpAddress, IpVersion } from '#platform/net/ip-address.ts';

/**
 * A packet that a firewall is asked about. What is absent may be anything: a rule that looks at it may match or not. A device
 * that is '' is none: a packet that is coming in has no device yet by which it leaves.
 */
export interface Packet {
  readonly version: IpVersion;
  /** `in` for this host, `out` of it, or `through` it. */
  readonly way: 'in' | 'out' | 'through';
  readonly inDevice?: string;
  readonly outDevice?: string;
  readonly source?: IpAddress;
  readonly destination?: IpAddress;
  /** The UDP port it goes to; it is UDP where there is one. */
  readonly udpPort?: number;
  /** It is in a frame that a Linux bridge forwards (br_netfilter). */
  readonly bridged?: boolean;
}

/** Whether something holds; undefined where it cannot be told. */
export type Ternary = boolean | undefined;

/** Both. */
export const and = (a: Ternary, b: Ternary): Ternary =>
  a === false || b === false ? false : a === undefined || b === undefined ? undefined : true;

/** Either. */
export const or = (a: Ternary, b: Ternary): Ternary =>
  a === true || b === true ? true : a === undefined || b === undefined ? undefined : false;

export const not = (a: Ternary): Ternary => (a === undefined ? undefined : !a);

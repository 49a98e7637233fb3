import type { Cidr } from '#platform/net/cidr.ts';
import { bigIntToIp, ipToBigInt, ipVersion } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';

/** Addresses as numbers, both ends included. */
export interface HostRange {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * The addresses of a prefix that stations can have: without the network and broadcast address (IPv4) or the subnet-router
 * anycast address (IPv6, RFC 4291 §2.6.1). Point-to-point prefixes have no such (RFC 3021, RFC 6164).
 */
export const hostRange = ({ version, first, last }: Cidr): HostRange => {
  if (last - first < 2n) return { first, last };
  return { first: first + 1n, last: version === 4 ? last - 1n : last };
};

/** Whether a station of the prefix can have this address. */
export const isHostOf = (cidr: Cidr, ip: IpAddress): boolean => {
  if (ipVersion(ip) !== cidr.version) return false;
  const value = ipToBigInt(ip);
  const { first, last } = hostRange(cidr);
  return value >= first && value <= last;
};

/** The lowest address a station can have: the gateway's, unless told otherwise. */
export const firstHost = (cidr: Cidr): IpAddress => bigIntToIp(cidr.version, hostRange(cidr).first);

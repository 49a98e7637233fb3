import { invalidField } from '#platform/errors/domain-error.ts';
import type { Cidr } from '#platform/net/cidr.ts';
import { bigIntToIp, ipToBigInt } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { hostRange, isHostOf } from './host-range.ts';

/** Where addresses are taken from; both ends included. */
export interface AllocationPool {
  readonly start: IpAddress;
  readonly end: IpAddress;
}

/** More ranges than anyone writes; each allocation passes by them. */
const MAX_POOLS = 64;

/** All host addresses of the prefix but the gateway's, in one range or two. */
export const defaultPools = (cidr: Cidr, gateway: IpAddress | undefined): readonly AllocationPool[] => {
  const { first, last } = hostRange(cidr);
  // A gateway that is no host of the prefix (IPv6 link-local) takes nothing from it.
  const hole = gateway !== undefined && isHostOf(cidr, gateway) ? ipToBigInt(gateway) : undefined;
  const ranges =
    hole === undefined
      ? [[first, last] as const]
      : ([
          [first, hole - 1n],
          [hole + 1n, last],
        ] as const);
  return ranges
    .filter(([start, end]) => start <= end)
    .map(([start, end]) => ({ start: bigIntToIp(cidr.version, start), end: bigIntToIp(cidr.version, end) }));
};

/** Throws `invalid` for pools that leave the prefix's host addresses, are upside down, overlap, or are too many. */
export const checkPools = (field: string, cidr: Cidr, pools: readonly AllocationPool[]): void => {
  if (pools.length > MAX_POOLS) {
    throw invalidField(field, `${pools.length.toString()} pools`, `is more than ${MAX_POOLS.toString()}`);
  }
  for (const [at, { start, end }] of pools.entries()) {
    const name = `${field}[${at.toString()}]`;
    if (!isHostOf(cidr, start)) throw invalidField(`${name}.start`, start, `is no host address of ${cidr.text}`);
    if (!isHostOf(cidr, end)) throw invalidField(`${name}.end`, end, `is no host address of ${cidr.text}`);
    if (ipToBigInt(end) < ipToBigInt(start)) throw invalidField(`${name}.end`, end, `is below the start, ${start}`);
    const other = pools
      .slice(0, at)
      .find((pool) => holds(pool, start) || holds(pool, end) || holds({ start, end }, pool.start));
    if (other !== undefined)
      throw invalidField(name, `${start}-${end}`, `overlaps the pool ${other.start}-${other.end}`);
  }
};

/** Whether the address, of the pool's version, lies in the pool. */
export const holds = ({ start, end }: AllocationPool, ip: IpAddress): boolean => {
  const value = ipToBigInt(ip);
  return value >= ipToBigInt(start) && value <= ipToBigInt(end);
};

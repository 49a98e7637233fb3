import type { Cidr } from './cidr.ts';
import { bigIntToIp, type IpAddress } from './ip-address.ts';
import type { MacAddress } from './mac-address.ts';

const LINK_LOCAL = 0xfe80n << 112n;
/** Stands between the halves of a MAC address. */
const FILLER = 0xfffen << 24n;
/** Says that the address is globally unique; inverted on the way (RFC 4291, appendix A). */
const UNIVERSAL = 1n << 57n;

/** The address that a station with this MAC address makes of a prefix of 64 bits (RFC 4862, by modified EUI-64). */
export const slaacAddress = ({ first }: Cidr, mac: MacAddress): IpAddress => bigIntToIp(6, first | interfaceId(mac));

/** The link-local address that a station makes of its MAC address. */
export const linkLocalOf = (mac: MacAddress): IpAddress => bigIntToIp(6, LINK_LOCAL | interfaceId(mac));

const interfaceId = (mac: MacAddress): bigint => {
  const value = BigInt(`0x${mac.replaceAll(':', '')}`);
  return (((value >> 24n) << 40n) | FILLER | (value & 0xffffffn)) ^ UNIVERSAL;
};

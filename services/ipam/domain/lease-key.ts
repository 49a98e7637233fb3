import type { Brand } from '#platform/net/brand.ts';
import { bigIntToIp, ipToBigInt, ipVersion } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';

/**
 * What can be leased, as text whose order is the order of the numbers: one letter for the kind, then hexadecimal digits
 * of a fixed width. Addresses of IPv6 fit no number that a database computes with; text of a fixed width needs none.
 */
export type LeaseKey = Brand<string, 'LeaseKey'>;

/** `4` and 8 digits, or `6` and 32: IPv4 addresses come before IPv6 addresses. */
export const addressKey = (ip: IpAddress): LeaseKey => numberKey(ipVersion(ip), ipToBigInt(ip));

/** The inverse of `addressKey`. */
export const keyAddress = (key: LeaseKey): IpAddress =>
  bigIntToIp(key.startsWith('4') ? 4 : 6, BigInt(`0x${key.slice(1)}`));

/** `m` and 12 digits. */
export const macKey = (mac: MacAddress): LeaseKey => `m${mac.replaceAll(':', '')}` as LeaseKey;

/** The inverse of `macKey`. */
export const keyMac = (key: LeaseKey): MacAddress => (key.slice(1).match(/../g) ?? []).join(':') as MacAddress;

/** `s` and 6 digits, enough for 24 bits. */
export const segmentKey = (id: number): LeaseKey => `s${id.toString(16).padStart(6, '0')}` as LeaseKey;

/** The inverse of `segmentKey`. */
export const keySegment = (key: LeaseKey): number => Number.parseInt(key.slice(1), 16);

const KEY = /^(?:4[0-9a-f]{8}|6[0-9a-f]{32}|m[0-9a-f]{12}|s[0-9a-f]{6})$/;

/** Whether a text can be a key: for what comes back from outside, such as a page token. */
export const isLeaseKey = (text: string): text is LeaseKey => KEY.test(text);

/** The key of the address that has this number. */
const numberKey = (version: 4 | 6, value: bigint): LeaseKey =>
  `${version.toString()}${value.toString(16).padStart(version === 4 ? 8 : 32, '0')}` as LeaseKey;

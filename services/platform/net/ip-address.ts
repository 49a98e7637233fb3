import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { Brand } from './brand.ts';
import { ipv4ToNumber, numberToIpv4 } from './ipv4-text.ts';
import { groupsToIpv6, ipv6ToGroups } from './ipv6-text.ts';

/** An address as a dotted quad or in RFC 5952 form; never IPv4-mapped, never with a zone. Equal addresses are equal strings. */
export type IpAddress = Brand<string, 'IpAddress'>;

export type IpVersion = 4 | 6;

/** Number of bits in an address of each version. */
export const ADDRESS_BITS: Readonly<Record<IpVersion, number>> = { 4: 32, 6: 128 };

/** Reads an IPv4 or IPv6 address of any scope. Throws `invalid` for anything else, IPv4-mapped IPv6 and zone ids. */
export const parseIp = (field: string, text: string): IpAddress => {
  // A well-formed dotted quad is canonical already: leading zeros are refused.
  if (ipv4ToNumber(text) !== undefined) return text as IpAddress;
  const groups = ipv6ToGroups(text);
  if (groups === undefined) {
    throw invalidField(
      field,
      text,
      text.includes('%') ? 'has a zone id, which means nothing on another host' : 'is not an IPv4 or IPv6 address',
    );
  }
  if (isV4Mapped(groups)) throw invalidField(field, text, 'is an IPv4-mapped IPv6 address; write it as IPv4');
  return groupsToIpv6(groups) as IpAddress;
};

/** As `parseIp`, and the address can be that of one station: throws `invalid` for unspecified, multicast and broadcast. */
export const parseUnicastIp = (field: string, text: string): IpAddress => {
  const ip = parseIp(field, text);
  if (ip === '0.0.0.0' || ip === '::') throw invalidField(field, text, 'is the unspecified address');
  if (ip === '255.255.255.255') throw invalidField(field, text, 'is the broadcast address');
  if (isMulticast(ip)) throw invalidField(field, text, 'is a multicast address');
  return ip;
};

/** The version by the canonical form. */
export const ipVersion = (ip: IpAddress): IpVersion => (ip.includes(':') ? 6 : 4);

/** The address as a number in network byte order. */
export const ipToBigInt = (ip: IpAddress): bigint => {
  const bits = ipv4ToNumber(ip);
  if (bits !== undefined) return BigInt(bits);
  let value = 0n;
  for (const group of ipv6ToGroups(ip) ?? []) value = (value << 16n) | BigInt(group);
  return value;
};

/** The inverse of `ipToBigInt`. Throws `internal` for a number that is no address of that version (or is IPv4-mapped). */
export const bigIntToIp = (version: IpVersion, value: bigint): IpAddress => {
  if (value < 0n || value >> BigInt(ADDRESS_BITS[version]) !== 0n) throw notAnAddress(version, value);
  if (version === 4) return numberToIpv4(Number(value)) as IpAddress;
  const groups = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xffffn));
  if (isV4Mapped(groups)) throw notAnAddress(version, value);
  return groupsToIpv6(groups) as IpAddress;
};

const isMulticast = (ip: IpAddress): boolean => {
  if (ipVersion(ip) === 6) return ip.startsWith('ff') && ip.indexOf(':') === 4;
  const first = Number.parseInt(ip, 10);
  return first >= 224 && first <= 239;
};

const isV4Mapped = (groups: readonly number[]): boolean =>
  groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);

const notAnAddress = (version: IpVersion, value: bigint): DomainError =>
  new DomainError('internal', 'NOT_AN_ADDRESS', `${value.toString()} is not an IPv${version.toString()} address`);

import { invalidField } from '#platform/errors/domain-error.ts';
import { ADDRESS_BITS, bigIntToIp, ipToBigInt, ipVersion, parseIp } from './ip-address.ts';
import type { IpAddress, IpVersion } from './ip-address.ts';

/** A prefix in canonical form: no host bits set. `text` is its identity, e.g. `10.0.0.0/24`. */
export interface Cidr {
  readonly version: IpVersion;
  readonly network: IpAddress;
  readonly prefixLength: number;
  /** The network address as a number. */
  readonly first: bigint;
  /** The highest address (IPv4: the broadcast address) as a number. */
  readonly last: bigint;
  readonly text: string;
}

const PREFIX_LENGTH = /^(?:0|[1-9]\d{0,2})$/;

/** Reads `address/length`. Throws `invalid` when malformed or when host bits are set, then naming the network meant. */
export const parseCidr = (field: string, text: string): Cidr => {
  const slash = text.indexOf('/');
  const lengthText = text.slice(slash + 1);
  if (slash === -1 || !PREFIX_LENGTH.test(lengthText)) {
    throw invalidField(field, text, 'is not a CIDR such as 10.0.0.0/24 or 2001:db8::/64');
  }
  const address = parseIp(field, text.slice(0, slash));
  const version = ipVersion(address);
  const prefixLength = Number(lengthText);
  const bits = ADDRESS_BITS[version];
  if (prefixLength > bits) {
    throw invalidField(field, text, `has a prefix longer than the ${bits.toString()} bits of IPv${version.toString()}`);
  }
  const hostBits = BigInt(bits - prefixLength);
  const value = ipToBigInt(address);
  const first = (value >> hostBits) << hostBits;
  const network = first === value ? address : bigIntToIp(version, first);
  const canonical = `${network}/${lengthText}`;
  if (first !== value) throw invalidField(field, text, `has host bits set; did you mean ${canonical}?`);
  return { version, network, prefixLength, first, last: first + (1n << hostBits) - 1n, text: canonical };
};

/** One address as a prefix of its whole length. */
export const hostCidr = (ip: IpAddress): Cidr => {
  const version = ipVersion(ip);
  const prefixLength = ADDRESS_BITS[version];
  const value = ipToBigInt(ip);
  return { version, network: ip, prefixLength, first: value, last: value, text: `${ip}/${prefixLength.toString()}` };
};

/** Whether the address lies in the prefix, the network and broadcast addresses included. */
export const contains = (cidr: Cidr, ip: IpAddress): boolean => {
  if (ipVersion(ip) !== cidr.version) return false;
  const value = ipToBigInt(ip);
  return value >= cidr.first && value <= cidr.last;
};

/** Whether any address lies in both. */
export const overlaps = (a: Cidr, b: Cidr): boolean =>
  a.version === b.version && a.first <= b.last && b.first <= a.last;

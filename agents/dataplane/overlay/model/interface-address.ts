import { invalidField } from '#platform/errors/domain-error.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import type { Cidr } from '#platform/net/cidr.ts';
import { ADDRESS_BITS, bigIntToIp, ipToBigInt, ipVersion, parseUnicastIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';

/** An address of a device with the network it is in, e.g. `10.100.0.1/8`; `text` is its identity. */
export interface InterfaceAddress {
  readonly ip: IpAddress;
  readonly network: Cidr;
  readonly text: string;
}

/** An address with its prefix length. Throws `internal` when there is no such prefix: for what a tool has printed. */
export const interfaceAddress = (ip: IpAddress, prefixLength: number): InterfaceAddress => {
  const version = ipVersion(ip);
  const hostBits = BigInt(ADDRESS_BITS[version] - prefixLength);
  const network = bigIntToIp(version, (ipToBigInt(ip) >> hostBits) << hostBits);
  return {
    ip,
    network: parseCidr('network', `${network}/${prefixLength.toString()}`),
    text: `${ip}/${prefixLength.toString()}`,
  };
};

/** Reads `address/length` of a host. Throws `invalid` for what is malformed or no host's: network, broadcast, multicast. */
export const parseInterfaceAddress = (field: string, text: string): InterfaceAddress => {
  const [, ipText, lengthText] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  if (ipText === undefined || lengthText === undefined) {
    throw invalidField(field, text, 'is not an address with its prefix, such as 10.100.0.1/8 or fd00::1/64');
  }
  const ip = parseUnicastIp(field, ipText);
  const version = ipVersion(ip);
  const bits = ADDRESS_BITS[version];
  const prefixLength = Number(lengthText);
  if (prefixLength === 0 || prefixLength > bits) {
    throw invalidField(
      field,
      text,
      `has a prefix that is not from 1 to the ${bits.toString()} bits of IPv${version.toString()}`,
    );
  }
  const address = interfaceAddress(ip, prefixLength);
  const { first, last } = address.network;
  // RFC 3021: of two addresses both are hosts'. RFC 4291 §2.6.1: the first one is the routers' anycast address.
  if (bits - prefixLength > 1) {
    if (ipToBigInt(ip) === first) throw invalidField(field, text, "is the network's own address, not a host's");
    if (version === 4 && ipToBigInt(ip) === last)
      throw invalidField(field, text, 'is the broadcast address of its network');
  }
  return address;
};

/** Whether one prefix lies in the other. */
export const containsCidr = (wide: Cidr, narrow: Cidr): boolean =>
  wide.version === narrow.version && wide.first <= narrow.first && narrow.last <= wide.last;

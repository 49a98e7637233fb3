import { bigIntToIp, type IpAddress, parseIp } from '#platform/net/ip-address.ts';
import { type MacAddress, parseMac } from '#platform/net/mac-address.ts';

/** The VTEP of a host that is no more than a record. */
export const FAR_VTEP: IpAddress = parseIp('far', '192.0.2.200');

/** One port of such a host, as far as forwarding goes. */
export interface FarEntry {
  readonly mac: MacAddress;
  readonly ip: IpAddress;
}

/** Made-up entries, each with addresses of its own. */
export const farEntries = (count: number): readonly FarEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    mac: parseMac('mac', `fa:17:00${index.toString(16).padStart(6, '0').replaceAll(/../g, ':$&')}`),
    ip: bigIntToIp(4, BigInt(0x0a00_0000 + index)),
  }));

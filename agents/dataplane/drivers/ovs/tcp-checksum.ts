import { bigIntToIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';

/** What a TCP segment tells of whoever sent it. */
export interface TcpChecksum {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seen: number;
  readonly right: number;
  /**
   * `partial`: it is that of the pseudo-header alone, which is where a sender leaves it that counts on a device to finish it
   * (Linux, CHECKSUM_PARTIAL in skbuff.h).
   */
  readonly verdict: 'right' | 'partial' | 'wrong';
}

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
/** 802.1Q and 802.1ad. */
const TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8]);
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const IPV6_BYTES = 40;
const TCP = 6;
const TCP_BYTES = 20;
const CHECKSUM_AT = 16;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;
/** MF and the offset of an IPv4 header. */
const IPV4_FRAGMENT = 0x3fff;
/** The offset and M of an IPv6 fragment header. */
const IPV6_FRAGMENT = 0xfff9;

/** Addresses, which are part of the pseudo-header, and where the segment stands. */
interface Segment {
  readonly addresses: DataView;
  readonly tcp: DataView;
}

/** Judges the checksum of an Ethernet frame with a whole TCP segment (RFC 9293 §3.1); undefined for any other frame. */
export const judgeTcp = (frame: Uint8Array): TcpChecksum | undefined => {
  const segment = segmentOf(new DataView(frame.buffer, frame.byteOffset, frame.length));
  if (segment === undefined || segment.tcp.byteLength < TCP_BYTES) return undefined;
  const { addresses, tcp } = segment;
  const pseudo = sum(addresses) + TCP + tcp.byteLength;
  const seen = tcp.getUint16(CHECKSUM_AT);
  const right = ~fold(pseudo + sum(tcp) - seen) & 0xffff;
  const isSame = (value: number): boolean => value % 0xffff === seen % 0xffff;
  const half = addresses.byteLength / 2;
  return {
    source: addressOf(addresses, 0, half),
    destination: addressOf(addresses, half, half),
    sourcePort: tcp.getUint16(0),
    destinationPort: tcp.getUint16(2),
    seen,
    right,
    verdict: isSame(right) ? 'right' : isSame(fold(pseudo)) ? 'partial' : 'wrong',
  };
};

const segmentOf = (frame: DataView): Segment | undefined => {
  let at = ETHERNET_BYTES;
  while (frame.byteLength >= at + TAG_BYTES && TAGS.has(frame.getUint16(at - 2))) at += TAG_BYTES;
  if (frame.byteLength < at) return undefined;
  const packet = part(frame, at, frame.byteLength - at);
  if (packet === undefined) return undefined;
  const type = frame.getUint16(at - 2);
  if (type === IPV4) return segmentOfIpv4(packet);
  return type === IPV6 ? segmentOfIpv6(packet) : undefined;
};

/** RFC 791 §3.1; what follows the packet pads the frame. */
const segmentOfIpv4 = (packet: DataView): Segment | undefined => {
  if (packet.byteLength < 20 || packet.getUint8(9) !== TCP || (packet.getUint16(6) & IPV4_FRAGMENT) !== 0) {
    return undefined;
  }
  const header = (packet.getUint8(0) & 0xf) * 4;
  const tcp = part(packet, header, packet.getUint16(2) - header);
  const addresses = part(packet, 12, 8);
  return header < 20 || tcp === undefined || addresses === undefined ? undefined : { addresses, tcp };
};

/** RFC 8200 §3 and §4. */
const segmentOfIpv6 = (packet: DataView): Segment | undefined => {
  if (packet.byteLength < IPV6_BYTES) return undefined;
  const addresses = part(packet, 8, 32);
  const whole = part(packet, 0, IPV6_BYTES + packet.getUint16(4));
  if (addresses === undefined || whole === undefined) return undefined;
  let at = IPV6_BYTES;
  for (let next = packet.getUint8(6); next !== TCP;) {
    if (whole.byteLength < at + 8) return undefined;
    // A routing header that is not used up stands for another destination than that of the pseudo-header.
    const isPassed =
      next === HOP_BY_HOP ||
      next === DESTINATION_OPTIONS ||
      (next === ROUTING && whole.getUint8(at + 3) === 0) ||
      (next === FRAGMENT && (whole.getUint16(at + 2) & IPV6_FRAGMENT) === 0);
    if (!isPassed) return undefined;
    const length = next === FRAGMENT ? 8 : (whole.getUint8(at + 1) + 1) * 8;
    next = whole.getUint8(at);
    at += length;
  }
  const tcp = part(whole, at, whole.byteLength - at);
  return tcp === undefined ? undefined : { addresses, tcp };
};

/** So many octets from there; undefined when there are not as many. */
const part = (view: DataView, at: number, length: number): DataView | undefined =>
  length < 0 || at + length > view.byteLength ? undefined : new DataView(view.buffer, view.byteOffset + at, length);

/** RFC 1071, without the carries, for which there is room in a number. */
const sum = (view: DataView): number => {
  let total = 0;
  for (let at = 0; at + 1 < view.byteLength; at += 2) total += view.getUint16(at);
  return view.byteLength % 2 === 0 ? total : total + (view.getUint8(view.byteLength - 1) << 8);
};

const fold = (total: number): number => {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
};

const addressOf = (view: DataView, at: number, length: number): IpAddress => {
  let bits = 0n;
  for (let octet = at; octet < at + length; octet += 1) bits = (bits << 8n) | BigInt(view.getUint8(octet));
  return bigIntToIp(length === 4 ? 4 : 6, bits);
};

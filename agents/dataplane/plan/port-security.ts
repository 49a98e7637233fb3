import { contains, hostCidr } from '#platform/net/cidr.ts';
import type { Cidr } from '#platform/net/cidr.ts';
import { linkLocalOf } from '#platform/net/eui64.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { LocalPort } from '../model/intent.ts';

/**
 * What a port may send under one MAC address. Besides, from any of its MAC addresses: an ARP probe, whose sender is
 * 0.0.0.0 (RFC 5227 §2.1.1); a DHCP client's frames, UDP 68 to 67 from 0.0.0.0 (RFC 2131 §4.1); ICMPv6 from `::`, for
 * duplicate address detection of its own addresses (RFC 4862 §5.4.2), router solicitations and MLD (RFC 3590).
 */
export interface AllowedSender {
  readonly mac: MacAddress;
  /** Sources of IPv4, and senders of ARP. */
  readonly ipv4: readonly Cidr[];
  /** Sources of IPv6, and targets of neighbour advertisements; the link-local address of the MAC address among them. */
  readonly ipv6: readonly Cidr[];
}

/** What a port with security may send: its own MAC address first; undefined when nothing is checked. */
export const allowedSenders = ({ mac, ips, security }: LocalPort): readonly AllowedSender[] | undefined => {
  if (!security.enabled) return undefined;
  const byMac = new Map<MacAddress, Cidr[]>([[mac, ips.map(hostCidr)]]);
  for (const pair of security.pairs) byMac.set(pair.mac, [...(byMac.get(pair.mac) ?? []), pair.cidr]);
  return [...byMac].map(([each, cidrs]) => ({
    mac: each,
    ipv4: outermost(cidrs.filter(({ version }) => version === 4)),
    ipv6: outermost([...cidrs.filter(({ version }) => version === 6), hostCidr(linkLocalOf(each))]),
  }));
};

/** Without those that another contains. */
const outermost = (cidrs: readonly Cidr[]): readonly Cidr[] => {
  const widest = [...cidrs].sort((a, b) => a.prefixLength - b.prefixLength);
  const kept: Cidr[] = [];
  for (const cidr of widest) if (!kept.some((other) => contains(other, cidr.network))) kept.push(cidr);
  return kept;
};

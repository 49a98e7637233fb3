import type { Cidr } from '#platform/net/cidr.ts';
import { ADDRESS_BITS } from '#platform/net/ip-address.ts';
import type { LocalPort } from '../../model/intent.ts';
import { SPOOF_REASONS } from '../../model/port-security.ts';
import type { SpoofReason } from '../../model/port-security.ts';
import { allowedSenders } from '../../plan/port-security.ts';
import type { AllowedSender } from '../../plan/port-security.ts';

/** The agent's own table of nftables, family bridge; nothing outside of it is touched. */
export const GUARD_TABLE = 'weft';
/** The comment that tells the table from another of that name. */
export const GUARD_COMMENT = 'weft: what guests may send';
/** Where frames of guests are taken in, before anything else of the bridge or of nftables sees them. */
export const GUARD_HOOK = 'type filter hook prerouting priority -400; policy accept;';
export const GUARD_CHAIN = 'guests';
export const GUARD_MAP = 'ports';
/** The one rule of the base chain: a look-up, however many ports there are. */
export const GUARD_JUMP = `iifname vmap @${GUARD_MAP}`;

/** A chain and its rules, as nft(8) writes them. */
export interface GuardChain {
  readonly name: string;
  readonly rules: readonly string[];
}

/** What one device needs: the chain that its frames go to comes last, after those it leads to. */
export interface PortGuard {
  readonly device: string;
  readonly chains: readonly GuardChain[];
}

const PLAIN = /^[\w.-]+$/;

/** The chain of a device's rules. A name that nft would not read is spelled in hexadecimal. */
export const guardChainOf = (device: string): string =>
  `port-${PLAIN.test(device) ? device : `0x${Buffer.from(device).toString('hex')}`}`;

/** The counter of the frames of a device that were dropped for a reason. */
export const guardCounterOf = (device: string, reason: SpoofReason): string => `${guardChainOf(device)}-${reason}`;

/** The counters that a device has. */
export const guardCountersOf = (device: string): readonly string[] =>
  SPOOF_REASONS.map((reason) => guardCounterOf(device, reason));

/** Conditions of one rule: nft takes 128 expressions, an excluded prefix is up to three. */
const EXCLUDED_AT_ONCE = 32;

/**
 * The rules of a port, undefined when it is not checked. Each rule is a conjunction of conditions that drops, so that
 * what may pass falls out at the end; a rule begins with `meta protocol`, which sees through one VLAN tag as guests do.
 */
export const portGuard = (port: LocalPort): PortGuard | undefined => {
  const senders = allowedSenders(port);
  if (senders === undefined) return undefined;
  const { device } = port;
  const chain = guardChainOf(device);
  const continued: GuardChain[] = [];
  const drop = (reason: SpoofReason): string => `counter name "${guardCounterOf(device, reason)}" drop`;
  /** Drops what meets the condition and is none of these, in as many rules as that takes. */
  const dropOthers = (condition: string, excluded: readonly string[], reason: SpoofReason): string => {
    const [protocol] = /^meta protocol \S+ /.exec(condition) ?? [''];
    let verdict = drop(reason);
    let rest = excluded;
    while (rest.length > EXCLUDED_AT_ONCE) {
      const name = `${chain}.${(continued.length + 1).toString()}`;
      continued.push({ name, rules: [`${protocol}${rest.slice(-EXCLUDED_AT_ONCE).join(' ')} ${verdict}`] });
      verdict = `jump ${name}`;
      rest = rest.slice(0, -EXCLUDED_AT_ONCE);
    }
    return [condition, ...rest, verdict].filter((part) => part !== '').join(' ');
  };
  const macs = senders.map(({ mac }) => `ether saddr != ${mac}`);
  const rules = [
    dropOthers('', macs, 'source-mac'),
    `meta protocol 8021q ${drop('vlan-tag')}`,
    `meta protocol 8021ad ${drop('vlan-tag')}`,
    `meta protocol arp arp htype != 1 ${drop('arp-sender')}`,
    ...senders.flatMap((sender) => arpRules(sender, drop('arp-sender'), dropOthers)),
    `meta protocol ip udp dport 68 ${drop('dhcp-server')}`,
    `meta protocol ip6 udp dport 546 ${drop('dhcp-server')}`,
    `meta protocol ip6 icmpv6 type nd-router-advert ${drop('router-advertisement')}`,
    ...senders.flatMap((sender) => targetRules(sender, dropOthers)),
    'meta protocol ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept',
    'meta protocol ip6 ip6 saddr :: meta l4proto ipv6-icmp accept',
    ...senders.flatMap((sender) => sourceRules(sender, dropOthers)),
  ];
  return { device, chains: [...continued, { name: chain, rules }] };
};

type DropOthers = (condition: string, excluded: readonly string[], reason: SpoofReason) => string;

const arpRules = ({ mac, ipv4 }: AllowedSender, drop: string, dropOthers: DropOthers): readonly string[] => [
  `meta protocol arp ether saddr ${mac} arp saddr ether != ${mac} ${drop}`,
  ...(isAll(ipv4)
    ? []
    : [
        dropOthers(
          `meta protocol arp ether saddr ${mac} arp saddr ip != 0.0.0.0`,
          ipv4.map((cidr) => `arp saddr ip != ${addressText(cidr)}`),
          'arp-sender',
        ),
      ]),
];

const targetRules = ({ mac, ipv6 }: AllowedSender, dropOthers: DropOthers): readonly string[] => {
  if (isAll(ipv6)) return [];
  const others = ipv6.map(targetText);
  return [
    dropOthers(`meta protocol ip6 ether saddr ${mac} icmpv6 type nd-neighbor-advert`, others, 'nd-target'),
    dropOthers(
      `meta protocol ip6 ether saddr ${mac} ip6 saddr :: icmpv6 type nd-neighbor-solicit`,
      others,
      'nd-target',
    ),
  ];
};

const sourceRules = ({ mac, ipv4, ipv6 }: AllowedSender, dropOthers: DropOthers): readonly string[] => {
  const rule = (protocol: string, cidrs: readonly Cidr[], reason: SpoofReason): readonly string[] =>
    isAll(cidrs)
      ? []
      : [
          dropOthers(
            `meta protocol ${protocol} ether saddr ${mac}`,
            cidrs.map((cidr) => `${protocol} saddr != ${addressText(cidr)}`),
            reason,
          ),
        ];
  return [...rule('ip', ipv4, 'ipv4-source'), ...rule('ip6', ipv6, 'ipv6-source')];
};

const isAll = (cidrs: readonly Cidr[]): boolean => cidrs.some(({ prefixLength }) => prefixLength === 0);

const addressText = ({ version, network, prefixLength, text }: Cidr): string =>
  prefixLength === ADDRESS_BITS[version] ? network : text;

/** The target of a solicitation or an advertisement (RFC 4861 §4.3, §4.4): nft 1.0 has no name for it. */
const targetText = ({ first, prefixLength }: Cidr): string => {
  const bits = Math.ceil(prefixLength / 8) * 8;
  const value = hex(first >> BigInt(128 - bits));
  const mask = ((1n << BigInt(prefixLength)) - 1n) << BigInt(bits - prefixLength);
  const masked = bits === prefixLength ? '' : ` & ${hex(mask)}`;
  return `@th,64,${bits.toString()}${masked} != ${value}`;
};

const hex = (value: bigint): string => `0x${value.toString(16)}`;

import type { Cidr } from '#platform/net/cidr.ts';
import { ADDRESS_BITS } from '#platform/net/ip-address.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { LocalPort } from '../../model/intent.ts';
import type { SpoofedFrames, SpoofReason } from '../../model/port-security.ts';
import { allowedSenders } from '../../plan/port-security.ts';
import type { AllowedSender } from '../../plan/port-security.ts';
import type { FieldName } from '../../protocols/openflow/fields.ts';
import type { FieldValue } from '../../protocols/openflow/flow.ts';
import type { FlowSpec } from './flow-spec.ts';
import { macNumber } from './flows.ts';
import { cookieOf, GUARD_PRIORITY, TABLES, TARGET_CHECKED } from './pipeline.ts';

type Conditions = Readonly<Partial<Record<FieldName, bigint | FieldValue>>>;

const ARP = 0x0806n;
const IPV4 = 0x0800n;
const IPV6 = 0x86ddn;
/** A tag that is left when one has been looked through. */
const VLAN_TAGS = [0x8100n, 0x88a8n];
const UDP = 17n;
const ICMPV6 = 58n;
const ROUTER_ADVERTISEMENT = 134n;
const SOLICITATION = 135n;
const ADVERTISEMENT = 136n;

/**
 * What a port may send; none when it is not checked. What is dropped has a flow for each reason, so that the switch counts
 * it. All match the port, and all but the last its MAC address.
 */
export const guardFlows = (vni: Vni, port: LocalPort): readonly FlowSpec[] => {
  const senders = allowedSenders(port);
  if (senders === undefined) return [];
  const flow: Draft = (priority, conditions, then = {}) => ({
    cookie: cookieOf(vni),
    table: TABLES.anti_spoof,
    priority,
    match: matching(conditions),
    inPort: port.device,
    actions: [],
    ...then,
  });
  return [...senders.flatMap((sender) => senderFlows(flow, sender)), flow(GUARD_PRIORITY.stranger, {})];
};

type Draft = (
  priority: number,
  conditions: Conditions,
  then?: Pick<FlowSpec, 'gotoTable'> & Partial<Pick<FlowSpec, 'actions'>>,
) => FlowSpec;

const PASS = { gotoTable: TABLES.responder } as const;
/** Its source is still to be looked at. */
const OWN_TARGET = {
  actions: [
    { kind: 'set_field', field: TARGET_CHECKED, value: 1n },
    { kind: 'resubmit', table: TABLES.anti_spoof },
  ],
} as const;

const senderFlows = (flow: Draft, { mac, ipv4, ipv6 }: AllowedSender): readonly FlowSpec[] => {
  const eth_src = macNumber(mac);
  const udp = (eth_type: bigint, udp_dst: bigint): Conditions => ({ eth_src, eth_type, ip_proto: UDP, udp_dst });
  const icmpv6 = (icmpv6_type: bigint): Conditions => ({ eth_src, eth_type: IPV6, ip_proto: ICMPV6, icmpv6_type });
  const { allowed, forbidden, ownTarget, spoofed, otherType } = GUARD_PRIORITY;
  // Whose the target is matters in what claims an address: an advertisement, and a probe before one is taken.
  const claims: readonly Conditions[] = [
    { ...icmpv6(ADVERTISEMENT), [TARGET_CHECKED]: 0n },
    { ...icmpv6(SOLICITATION), ipv6_src: 0n, [TARGET_CHECKED]: 0n },
  ];
  return [
    flow(forbidden, udp(IPV4, 68n)),
    flow(forbidden, udp(IPV6, 546n)),
    flow(forbidden, icmpv6(ROUTER_ADVERTISEMENT)),
    ...claims.flatMap((claim) => [
      flow(forbidden, claim),
      ...ipv6.map((cidr) => flow(ownTarget, { ...claim, icmpv6_code: 0n, nd_target: within(cidr) }, OWN_TARGET)),
    ]),
    flow(allowed, { eth_src, eth_type: ARP, arp_sha: eth_src, arp_spa: 0n }, PASS),
    ...ipv4.map((cidr) => flow(allowed, { eth_src, eth_type: ARP, arp_sha: eth_src, arp_spa: within(cidr) }, PASS)),
    flow(allowed, { ...udp(IPV4, 67n), udp_src: 68n, ip_src: 0n }, PASS),
    ...ipv4.map((cidr) => flow(allowed, { eth_src, eth_type: IPV4, ip_src: within(cidr) }, PASS)),
    flow(allowed, { eth_src, eth_type: IPV6, ip_proto: ICMPV6, ipv6_src: 0n }, PASS),
    ...ipv6.map((cidr) => flow(allowed, { eth_src, eth_type: IPV6, ipv6_src: within(cidr) }, PASS)),
    ...[ARP, IPV4, IPV6, ...VLAN_TAGS].map((eth_type) => flow(spoofed, { eth_src, eth_type })),
    flow(otherType, { eth_src }, PASS),
  ];
};

/** Why a flow of `anti_spoof` drops; undefined of one that does not, and of others. */
export const spoofReasonOf = ({ table, priority, match, actions, gotoTable }: FlowSpec): SpoofReason | undefined => {
  if (table !== TABLES.anti_spoof || actions.length > 0 || gotoTable !== undefined) return undefined;
  if (priority === GUARD_PRIORITY.stranger) return 'source-mac';
  const type = match.eth_type?.value;
  if (priority === GUARD_PRIORITY.spoofed) return type === undefined ? undefined : SPOOFED.get(type);
  if (match.udp_dst !== undefined) return 'dhcp-server';
  return match.icmpv6_type?.value === ROUTER_ADVERTISEMENT ? 'router-advertisement' : 'nd-target';
};

/** What these flows have dropped of these devices; `packets` has how many each has had, at the same place. */
export const spoofedFrames = (
  flows: readonly FlowSpec[],
  packets: readonly number[],
  devices: readonly string[],
): ReadonlyMap<string, SpoofedFrames> => {
  const found = new Map(devices.map((device) => [device, new Map<SpoofReason, number>()]));
  for (const [at, flow] of flows.entries()) {
    const reason = spoofReasonOf(flow);
    const counts = found.get(flow.inPort ?? '');
    const count = packets[at] ?? 0;
    if (reason !== undefined && count > 0) counts?.set(reason, (counts.get(reason) ?? 0) + count);
  }
  return found;
};

const SPOOFED: ReadonlyMap<bigint, SpoofReason> = new Map([
  [ARP, 'arp-sender'],
  [IPV4, 'ipv4-source'],
  [IPV6, 'ipv6-source'],
  ...VLAN_TAGS.map((tag) => [tag, 'vlan-tag'] as const),
]);

const within = ({ version, first, prefixLength }: Cidr): FieldValue => {
  const bits = ADDRESS_BITS[version];
  const all = (1n << BigInt(bits)) - 1n;
  return prefixLength === bits ? { value: first } : { value: first, mask: all ^ (all >> BigInt(prefixLength)) };
};

const matching = (conditions: Conditions): FlowSpec['match'] => {
  const match: Partial<Record<FieldName, FieldValue>> = {};
  for (const name of Object.keys(conditions) as readonly FieldName[]) {
    const value = conditions[name];
    if (value !== undefined) match[name] = typeof value === 'bigint' ? { value } : value;
  }
  return match;
};

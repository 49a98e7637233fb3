import fc from 'fast-check';
import { FIELDS } from '../fields.ts';
import type { FieldName } from '../fields.ts';
import { OFPP } from '../flow.ts';
import type { Action, FieldValue, Flow, Match } from '../flow.ts';

type Fields = readonly FieldName[];

const REGISTERS: Fields = Object.values(FIELDS).flatMap(({ name }) => (/^reg\d+$/.test(name) ? [name] : []));
/** No flow sets these. */
const TRACKED: Fields = ['ct_state', 'ct_zone', 'ct_mark'];
const PIPELINE: Fields = ['metadata', 'tun_id', 'tun_src', 'tun_dst', 'tun_ipv6_src', 'tun_ipv6_dst', 'pkt_mark'];
const ETHERNET: Fields = ['eth_src', 'eth_dst'];
const IP: Fields = ['ip_dscp', 'ip_ecn', 'nw_ttl'];
const V4: Fields = ['ip_src', 'ip_dst', ...IP];
const V6: Fields = ['ipv6_src', 'ipv6_dst', 'ipv6_label', ...IP];
const ND: Fields = ['nd_target', 'nd_options_type', 'nd_reserved'];

/** Kinds of packets: what must be matched for the rest to be possible, and what can be matched and set then. */
const KINDS: readonly {
  readonly exact: Readonly<Partial<Record<FieldName, bigint>>>;
  readonly fields: Fields;
  /** What can be matched and not set. */
  readonly matched?: Fields;
}[] = [
  { exact: {}, fields: [] },
  { exact: { eth_type: 0x88ccn }, fields: [] },
  { exact: { eth_type: 0x0806n }, fields: ['arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha'] },
  { exact: { eth_type: 0x0800n }, fields: V4 },
  { exact: { eth_type: 0x0800n, ip_proto: 6n }, fields: [...V4, 'tcp_src', 'tcp_dst'], matched: ['tcp_flags'] },
  { exact: { eth_type: 0x0800n, ip_proto: 17n }, fields: [...V4, 'udp_src', 'udp_dst'] },
  { exact: { eth_type: 0x0800n, ip_proto: 1n }, fields: [...V4, 'icmp_type', 'icmp_code'] },
  { exact: { eth_type: 0x86ddn }, fields: V6 },
  { exact: { eth_type: 0x86ddn, ip_proto: 6n }, fields: [...V6, 'tcp_src', 'tcp_dst'], matched: ['tcp_flags'] },
  { exact: { eth_type: 0x86ddn, ip_proto: 58n }, fields: [...V6, 'icmpv6_type', 'icmpv6_code'] },
  { exact: { eth_type: 0x86ddn, ip_proto: 58n, icmpv6_type: 135n }, fields: [...V6, ...ND, 'nd_sll'] },
  { exact: { eth_type: 0x86ddn, ip_proto: 58n, icmpv6_type: 136n }, fields: [...V6, ...ND, 'nd_tll'] },
];

/** Open vSwitch keeps eight bits of it. */
const LARGEST: Partial<Record<FieldName, bigint>> = { arp_op: 0xffn };

/** ovs-ofctl takes a mask that begins with a decimal digit for the length of a prefix. */
const TOP_OF_IPV6 = 0xf000n << 112n;

/** A value and perhaps a mask, as sloppy as the model lets one be: bits outside the mask, masks of all and of nothing. */
const valueOf = (name: FieldName): fc.Arbitrary<FieldValue> => {
  const { full, maskable, text } = FIELDS[name];
  const value = fc.bigInt(0n, LARGEST[name] ?? full);
  const exact = value.map((bits) => ({ value: bits }));
  if (!maskable) return exact;
  const mask = fc.oneof(fc.bigInt(0n, full), fc.constant(full), fc.constant(0n));
  const writable = text === 'ipv6' ? mask.map((bits) => (bits === 0n ? 0n : bits | TOP_OF_IPV6)) : mask;
  return fc.oneof(exact, fc.record({ value, mask: writable }));
};

const matchOf = (fields: Fields): fc.Arbitrary<Match> =>
  fc
    .subarray([...fields])
    .chain((chosen) => fc.record(Object.fromEntries(chosen.map((name) => [name, valueOf(name)]))));

const portNumber = fc.oneof(fc.integer({ min: 1, max: 0xfeff }), fc.constant(OFPP.LOCAL));

const VLANS: readonly Match[] = [
  { vlan_vid: { value: 0n } },
  { vlan_vid: { value: 0x1000n, mask: 0x1000n } },
  { vlan_vid: { value: 0x1005n, mask: 0x100fn } },
  { vlan_vid: { value: 0x1123n }, vlan_pcp: { value: 5n } },
];

const settable = (fields: Fields): Fields => [...REGISTERS, ...PIPELINE, ...ETHERNET, ...fields];

const move = (fields: Fields): fc.Arbitrary<Action> =>
  fc
    .tuple(fc.constantFrom(...fields), fc.constantFrom(...fields))
    .filter(([from, to]) => from !== to)
    .chain(([from, to]) => {
      const [source, target] = [FIELDS[from].bits, FIELDS[to].bits];
      return fc.integer({ min: 1, max: Math.min(source, target) }).chain((count) =>
        fc
          .record({
            from: fc.integer({ min: 0, max: source - count }),
            to: fc.integer({ min: 0, max: target - count }),
            count: fc.constant(count),
          })
          .map((bits) => ({ kind: 'move' as const, from, to, bits })),
      );
    });

const actionOf = (fields: Fields): fc.Arbitrary<Action> =>
  fc.oneof(
    fc.record({
      kind: fc.constant('output' as const),
      port: fc.oneof(portNumber, fc.constantFrom(OFPP.IN_PORT, OFPP.NORMAL, OFPP.FLOOD, OFPP.ALL)),
    }),
    fc
      .constantFrom(...settable(fields))
      .chain((field) => valueOf(field).map((value) => ({ kind: 'set_field' as const, field, ...value }))),
    move(settable(fields)),
    fc.constantFrom<Action>(
      { kind: 'move', from: 'eth_src', to: 'eth_dst' },
      { kind: 'resubmit', port: OFPP.IN_PORT, table: 7 },
      { kind: 'resubmit', port: 9 },
      { kind: 'resubmit', port: OFPP.LOCAL, table: 200 },
      { kind: 'controller', maxLength: 0xffff, controllerId: 0x7766 },
    ),
  );

/** At most one tag is put on: there may be one already, and Open vSwitch knows of two. */
const TAGGING: readonly (readonly Action[])[] = [
  [],
  [{ kind: 'push_vlan', ethertype: 0x8100 }],
  [{ kind: 'push_vlan', ethertype: 0x88a8 }],
  [
    { kind: 'push_vlan', ethertype: 0x8100 },
    { kind: 'set_field', field: 'vlan_vid', value: 0x1123n },
  ],
  [{ kind: 'push_vlan', ethertype: 0x8100 }, { kind: 'pop_vlan' }],
];

/** Flows that Open vSwitch takes. */
export const arbitraryFlow: fc.Arbitrary<Flow> = fc.constantFrom(...KINDS).chain(({ exact, fields, matched = [] }) =>
  fc
    .record(
      {
        table: fc.integer({ min: 0, max: 100 }),
        priority: fc.integer({ min: 0, max: 0xffff }),
        cookie: fc.bigInt(0n, (1n << 64n) - 1n),
        ingress: portNumber.map((port): Match => ({ in_port: { value: BigInt(port) } })),
        vlan: fc.constantFrom(...VLANS),
        basic: matchOf([...REGISTERS, ...PIPELINE, ...TRACKED, ...ETHERNET]),
        special: matchOf([...fields, ...matched]),
        actions: fc
          .tuple(fc.array(actionOf(fields), { maxLength: 6 }), fc.constantFrom(...TAGGING))
          .map(([actions, tagging]) => [...actions, ...tagging]),
        writeMetadata: valueOf('metadata'),
        gotoTable: fc.integer({ min: 101, max: 253 }),
        idleTimeout: fc.integer({ min: 300, max: 0xffff }),
        hardTimeout: fc.integer({ min: 300, max: 0xffff }),
      },
      { requiredKeys: ['table', 'priority', 'cookie', 'basic', 'special', 'actions'] },
    )
    .map(({ ingress, vlan, basic, special, ...flow }) => ({
      ...flow,
      match: {
        ...special,
        ...Object.fromEntries(Object.entries(exact).map(([name, value]) => [name, { value }])),
        ...basic,
        ...vlan,
        ...ingress,
      },
    })),
);

/** How ovs-ofctl(8) writes a value of a field. */
export type FieldText = 'decimal' | 'hex' | 'mac' | 'ipv4' | 'ipv6' | 'port';

/** That another field of the same match has one of these values, in the bits of `mask`. */
export interface Prerequisite {
  readonly field: FieldName;
  readonly oneOf: readonly bigint[];
  readonly mask?: bigint;
}

/** A field of a packet or of the pipeline, as ovs-fields(7) has it. */
export interface Field {
  readonly name: FieldName;
  /** Place in the canonical order: what a field needs comes before it, as the switch demands. */
  readonly order: number;
  readonly oxmClass: number;
  readonly number: number;
  readonly bits: number;
  /** Octets of a value on the wire. */
  readonly bytes: number;
  /** The mask that covers all of it. */
  readonly full: bigint;
  readonly maskable: boolean;
  readonly text: FieldText;
  readonly needs: readonly Prerequisite[];
}

type Need = readonly [field: string, oneOf: readonly bigint[], mask?: bigint];

// Names of fields come from a table of these, so no name can be of that type in here.
interface Spec extends Omit<Field, 'name' | 'order' | 'full' | 'needs'> {
  readonly needs: readonly Need[];
}

interface Details {
  /** On the wire, when it is not as many octets as the bits fill. */
  readonly bytes?: number;
  readonly exact?: true;
  readonly text?: FieldText;
  readonly needs?: readonly Need[];
}

const define =
  (oxmClass: number) =>
  (number: number, bits: number, { bytes, exact, text = 'hex', needs = [] }: Details = {}): Spec => ({
    oxmClass,
    number,
    bits,
    bytes: bytes ?? Math.ceil(bits / 8),
    maskable: exact !== true,
    text,
    needs,
  });

/** OFPXMC_OPENFLOW_BASIC. */
const oxm = define(0x8000);
/** NXM_NX. */
const nxm = define(0x0001);
/** ERICOXM. */
const eric = define(0x1000);

const register = (number: number): Spec => nxm(number, 32);

const VLAN_PRESENT = 0x1000n;

const IPV4: Need = ['eth_type', [0x0800n]];
const IPV6: Need = ['eth_type', [0x86ddn]];
const IP: Need = ['eth_type', [0x0800n, 0x86ddn]];
/** ARP and RARP. */
const ARP: Need = ['eth_type', [0x0806n, 0x8035n]];
const protocol = (...numbers: readonly bigint[]): Need => ['ip_proto', numbers];
const ICMPV6: readonly Need[] = [IPV6, protocol(58n)];
const SOLICITATION = 135n;
const ADVERTISEMENT = 136n;
const neighbour = (...types: readonly bigint[]): readonly Need[] => [...ICMPV6, ['icmpv6_type', types]];

const transportPort = (number: number, ...protocols: readonly bigint[]): Spec =>
  oxm(number, 16, { text: 'decimal', needs: [IP, protocol(...protocols)] });

/**
 * In canonical order. Absent because Open vSwitch reads them back as others: `vlan_tci` (as `vlan_vid` and `vlan_pcp`), `xreg`
 * and `xxreg` (as `reg`).
 */
const SPECS = {
  in_port: oxm(0, 32, { exact: true, text: 'port' }),
  metadata: oxm(2, 64),
  tun_id: oxm(38, 64),
  tun_src: nxm(31, 32, { text: 'ipv4' }),
  tun_dst: nxm(32, 32, { text: 'ipv4' }),
  tun_ipv6_src: nxm(109, 128, { text: 'ipv6' }),
  tun_ipv6_dst: nxm(110, 128, { text: 'ipv6' }),
  reg0: register(0),
  reg1: register(1),
  reg2: register(2),
  reg3: register(3),
  reg4: register(4),
  reg5: register(5),
  reg6: register(6),
  reg7: register(7),
  reg8: register(8),
  reg9: register(9),
  reg10: register(10),
  reg11: register(11),
  reg12: register(12),
  reg13: register(13),
  reg14: register(14),
  reg15: register(15),
  pkt_mark: nxm(33, 32),
  /** Of its 32 bits these eight have a meaning. */
  ct_state: nxm(105, 8, { bytes: 4 }),
  ct_zone: nxm(106, 16, { exact: true }),
  ct_mark: nxm(107, 32),
  eth_src: oxm(4, 48, { text: 'mac' }),
  eth_dst: oxm(3, 48, { text: 'mac' }),
  eth_type: oxm(5, 16, { exact: true }),
  /** With OFPVID_PRESENT (0x1000) set for a tagged frame; 0 is an untagged one. */
  vlan_vid: oxm(6, 13),
  vlan_pcp: oxm(7, 3, { exact: true, text: 'decimal', needs: [['vlan_vid', [VLAN_PRESENT], VLAN_PRESENT]] }),
  ip_src: oxm(11, 32, { text: 'ipv4', needs: [IPV4] }),
  ip_dst: oxm(12, 32, { text: 'ipv4', needs: [IPV4] }),
  ipv6_src: oxm(26, 128, { text: 'ipv6', needs: [IPV6] }),
  ipv6_dst: oxm(27, 128, { text: 'ipv6', needs: [IPV6] }),
  ipv6_label: oxm(28, 20, { bytes: 4, needs: [IPV6] }),
  ip_proto: oxm(10, 8, { exact: true, text: 'decimal', needs: [IP] }),
  ip_dscp: oxm(8, 6, { exact: true, text: 'decimal', needs: [IP] }),
  ip_ecn: oxm(9, 2, { exact: true, text: 'decimal', needs: [IP] }),
  nw_ttl: nxm(29, 8, { exact: true, text: 'decimal', needs: [IP] }),
  arp_op: oxm(21, 16, { exact: true, text: 'decimal', needs: [ARP] }),
  arp_spa: oxm(22, 32, { text: 'ipv4', needs: [ARP] }),
  arp_tpa: oxm(23, 32, { text: 'ipv4', needs: [ARP] }),
  arp_sha: oxm(24, 48, { text: 'mac', needs: [ARP] }),
  arp_tha: oxm(25, 48, { text: 'mac', needs: [ARP] }),
  tcp_src: transportPort(13, 6n),
  tcp_dst: transportPort(14, 6n),
  tcp_flags: oxm(42, 12, { needs: [IP, protocol(6n)] }),
  udp_src: transportPort(15, 17n),
  udp_dst: transportPort(16, 17n),
  icmp_type: oxm(19, 8, { exact: true, text: 'decimal', needs: [IPV4, protocol(1n)] }),
  icmp_code: oxm(20, 8, { exact: true, text: 'decimal', needs: [IPV4, protocol(1n)] }),
  icmpv6_type: oxm(29, 8, { exact: true, text: 'decimal', needs: ICMPV6 }),
  icmpv6_code: oxm(30, 8, { exact: true, text: 'decimal', needs: ICMPV6 }),
  nd_target: oxm(31, 128, { text: 'ipv6', needs: neighbour(SOLICITATION, ADVERTISEMENT) }),
  nd_sll: oxm(32, 48, { text: 'mac', needs: neighbour(SOLICITATION) }),
  nd_tll: oxm(33, 48, { text: 'mac', needs: neighbour(ADVERTISEMENT) }),
  /** The 32 bits before the target: R, S and O flags from the top (RFC 4861 §4.4). */
  nd_reserved: eric(1, 32, { exact: true, needs: neighbour(SOLICITATION, ADVERTISEMENT) }),
  /** Type of the first option: 1 the source's link-layer address, 2 the target's. */
  nd_options_type: eric(2, 8, { exact: true, text: 'decimal', needs: neighbour(SOLICITATION, ADVERTISEMENT) }),
};

/** As ovs-fields(7) names them. */
export type FieldName = keyof typeof SPECS;

const listed: readonly Field[] = Object.entries(SPECS).map(([name, spec], order) => ({
  ...spec,
  name: name as FieldName,
  order,
  full: (1n << BigInt(spec.bits)) - 1n,
  needs: spec.needs.map(([field, oneOf, mask]) => ({
    field: field as FieldName,
    oneOf,
    ...(mask !== undefined && { mask }),
  })),
}));

/** All fields that a flow of ours may match or set, by name. */
export const FIELDS = Object.fromEntries(listed.map((field) => [field.name, field])) as Readonly<
  Record<FieldName, Field>
>;

const byNumber: ReadonlyMap<number, Field> = new Map(
  listed.map((field) => [(field.oxmClass << 7) | field.number, field]),
);

/** The field of an OXM header's class and number; undefined for one that is not in `FIELDS`. */
export const fieldByNumber = (oxmClass: number, number: number): Field | undefined =>
  byNumber.get((oxmClass << 7) | number);

import type { IpAddress } from '#platform/net/ip-address.ts';
import { ipToBigInt, ipVersion } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { Destination } from '../../model/rows.ts';
import type { FieldName } from '../../protocols/openflow/fields.ts';
import type { FieldValue, Match } from '../../protocols/openflow/flow.ts';
import { BACK } from './flow-spec.ts';
import type { ActionSpec, FlowSpec } from './flow-spec.ts';
import { BASE_COOKIE, cookieOf, FLOOD_PART, FROM_TUNNEL, PRIORITY, TABLES } from './pipeline.ts';
import { tunnelName } from './devices.ts';

const ARP = 0x0806n;
const IPV6 = 0x86ddn;
const ICMPV6 = 58n;
const REQUEST = 1n;
const REPLY = 2n;
const SOLICITATION = 135n;
const ADVERTISEMENT = 136n;
/** Type of the option of a solicitation that an answer's takes the place of: without it there is no room (RFC 4861 §4.6.1). */
const SOURCE_LINK_LAYER = 1n;
/** Type of the option of an advertisement that tells the link-layer address (RFC 4861 §4.6.1). */
const TARGET_LINK_LAYER = 2n;
/** Solicited and override (RFC 4861 §4.4). */
const ADVERTISED = 0x6000_0000n;

const set = (field: FieldName, value: bigint): ActionSpec => ({ kind: 'set_field', field, value });
const move = (from: FieldName, to: FieldName): ActionSpec => ({ kind: 'move', from, to });
const output = (device: string): ActionSpec => ({ kind: 'output', device });

/** A MAC address as a number in network byte order. */
export const macNumber = (mac: MacAddress): bigint => {
  let value = 0;
  for (let at = 0; at < mac.length; at += 3) value = value * 256 + Number.parseInt(mac.slice(at, at + 2), 16);
  return BigInt(value);
};

const matching = (fields: Readonly<Partial<Record<FieldName, bigint>>>): Match => {
  const match: Partial<Record<FieldName, FieldValue>> = {};
  for (const name of Object.keys(fields) as readonly FieldName[]) {
    const value = fields[name];
    if (value !== undefined) match[name] = { value };
  }
  return match;
};

/** What depends on the datapath. */
export interface PipelineOptions {
  /**
   * The kernel's datapath cannot write the options of an advertisement (openvswitch.h: user space only). There a
   * solicitation is led to the one that it asks for, in a unicast frame (RFC 6085), and answered by it.
   */
  readonly directsSolicitations?: boolean;
}

/** Flows that every network needs and none owns: each table's last one, and what is excepted from a table. */
export const baseFlows = ({ directsSolicitations = false }: PipelineOptions = {}): readonly FlowSpec[] => {
  const last = (table: number, next?: number): FlowSpec => ({
    cookie: BASE_COOKIE,
    table,
    priority: PRIORITY.last,
    match: {},
    actions: [],
    ...(next !== undefined && { gotoTable: next }),
  });
  return [
    last(TABLES.classify),
    last(TABLES.anti_spoof, TABLES.responder),
    last(TABLES.responder, TABLES.unicast),
    // Whoever asks without an address of his own wants to know whether somebody else has it (RFC 4862 §5.4): that must
    // answer himself.
    {
      ...last(TABLES.responder, TABLES.unicast),
      priority: PRIORITY.exception,
      match: matching({ eth_type: IPV6, ip_proto: ICMPV6, icmpv6_type: SOLICITATION, ipv6_src: 0n }),
    },
    ...(directsSolicitations
      ? []
      : [
          last(TABLES.nd_reply),
          {
            ...last(TABLES.nd_reply),
            priority: PRIORITY.entry,
            match: matching({ eth_type: IPV6, ip_proto: ICMPV6, icmpv6_type: ADVERTISEMENT, icmpv6_code: 0n }),
            actions: advertisement,
          },
        ]),
    last(TABLES.unicast, TABLES.flood),
    last(TABLES.flood),
  ];
};

/** The flows of one network, each by what it is for. Priority, table and cookie are theirs alone. */
export interface NetworkFlows {
  /** What a guest sends belongs to the network. */
  fromPort(device: string): FlowSpec;
  /** What comes from outside belongs to the network: out of a tunnel with its VNI, or from its physical network. */
  fromOutside(): FlowSpec;
  /** Answers ARP or neighbour solicitations for an address that is elsewhere. */
  responder(ip: IpAddress, mac: MacAddress): FlowSpec;
  /** Leads to a guest of this host. */
  toPort(mac: MacAddress, device: string): FlowSpec;
  /** Leads what is for no guest of this host to the physical network; none where VXLAN carries the network. */
  toUplink(): readonly FlowSpec[];
  /** Leads to a guest of another host. */
  toRemote(mac: MacAddress, to: Destination): FlowSpec;
  /** All parts of the flood list, for what guests send and for what comes out of tunnels. */
  flood(devices: readonly string[], to: readonly Destination[]): readonly FlowSpec[];
}

/** Outputs in one flow: a flow and its message stay well below 64 KiB. */
export const FLOOD_PART_SIZE = 512;

/** The way of a network to its physical network. */
export interface FlowUplink {
  /** The patch port. */
  readonly device: string;
  /** The tag of its frames beyond; none for untagged ones. */
  readonly vlan?: number | undefined;
}

/** The bit of `vlan_vid` that a frame with a tag has (OpenFlow 1.5 §7.2.3.8). */
const TAGGED = 0x1000n;
const UNTAGGED = { vlan_vid: 0n };
const DOT1Q = 0x8100;
/** The bit of a MAC address that broadcasts and multicasts have. */
export const GROUP_BIT = 0x0100_0000_0000n;

export const networkFlows = (
  vni: Vni,
  { directsSolicitations = false }: PipelineOptions = {},
  uplink?: FlowUplink,
): NetworkFlows => {
  const cookie = cookieOf(vni);
  const metadata = BigInt(vni);
  const entry = (
    table: number,
    match: Readonly<Partial<Record<FieldName, bigint>>>,
    actions: readonly ActionSpec[],
  ) => ({
    cookie,
    table,
    priority: PRIORITY.entry,
    match: matching(match),
    actions,
  });
  const encapsulate = ({ address, udpPort }: Destination): readonly ActionSpec[] => [
    set(ipVersion(address) === 4 ? 'tun_dst' : 'tun_ipv6_dst', ipToBigInt(address)),
    output(tunnelName(udpPort)),
  ];
  const tag = uplink?.vlan === undefined ? undefined : TAGGED | BigInt(uplink.vlan);
  const leave: readonly ActionSpec[] =
    uplink === undefined
      ? []
      : [
          ...(tag === undefined ? [] : ([{ kind: 'push_vlan', ethertype: DOT1Q }, set('vlan_vid', tag)] as const)),
          output(uplink.device),
        ];
  const parts = (fromTunnel: bigint, outputs: readonly (readonly ActionSpec[])[]): readonly FlowSpec[] => {
    const flows: FlowSpec[] = [];
    for (let part = 0; part * FLOOD_PART_SIZE < outputs.length; part += 1) {
      const some = outputs.slice(part * FLOOD_PART_SIZE, (part + 1) * FLOOD_PART_SIZE).flat();
      const isLast = (part + 1) * FLOOD_PART_SIZE >= outputs.length;
      flows.push(
        entry(TABLES.flood, { metadata, [FROM_TUNNEL]: fromTunnel, [FLOOD_PART]: BigInt(part) }, [
          ...(part === 0 && fromTunnel === 0n && uplink === undefined ? [set('tun_id', metadata)] : []),
          ...some,
          ...(isLast ? [] : [set(FLOOD_PART, BigInt(part + 1)), { kind: 'resubmit', table: TABLES.flood } as const]),
        ]),
      );
    }
    return flows;
  };
  return {
    fromPort: (device) => ({
      // A tag that a guest sets would lead into another network of the same wire.
      ...entry(TABLES.classify, uplink === undefined ? {} : UNTAGGED, [set('metadata', metadata)]),
      inPort: device,
      gotoTable: TABLES.anti_spoof,
    }),
    fromOutside: () => {
      const into = [set('metadata', metadata), set(FROM_TUNNEL, 1n)];
      if (uplink === undefined)
        return { ...entry(TABLES.classify, { tun_id: metadata }, into), gotoTable: TABLES.unicast };
      const arrived = entry(TABLES.classify, { vlan_vid: tag ?? 0n }, [
        ...(tag === undefined ? [] : [{ kind: 'pop_vlan' } as const]),
        ...into,
      ]);
      return { ...arrived, inPort: uplink.device, gotoTable: TABLES.unicast };
    },
    responder: (ip, mac) => {
      const target = ipToBigInt(ip);
      if (ipVersion(ip) === 4) {
        return entry(
          TABLES.responder,
          { metadata, eth_type: ARP, arp_op: REQUEST, arp_tpa: target },
          arpReply(ip, mac),
        );
      }
      const solicitation = {
        metadata,
        eth_type: IPV6,
        ip_proto: ICMPV6,
        icmpv6_type: SOLICITATION,
        icmpv6_code: 0n,
        nd_target: target,
      };
      return directsSolicitations
        ? {
            ...entry(TABLES.responder, solicitation, [set('eth_dst', macNumber(mac))]),
            gotoTable: TABLES.unicast,
          }
        : {
            ...entry(
              TABLES.responder,
              { ...solicitation, nd_options_type: SOURCE_LINK_LAYER },
              turnedSolicitation(ip, mac),
            ),
            gotoTable: TABLES.nd_reply,
          };
    },
    toPort: (mac, device) => entry(TABLES.unicast, { metadata, eth_dst: macNumber(mac) }, [output(device)]),
    toUplink: () =>
      uplink === undefined
        ? []
        : [
            {
              ...entry(TABLES.unicast, { metadata, [FROM_TUNNEL]: 0n }, leave),
              priority: PRIORITY.uplink,
              match: { ...matching({ metadata, [FROM_TUNNEL]: 0n }), eth_dst: { value: 0n, mask: GROUP_BIT } },
            },
          ],
    toRemote: (mac, to) =>
      entry(TABLES.unicast, { metadata, [FROM_TUNNEL]: 0n, eth_dst: macNumber(mac) }, [
        set('tun_id', metadata),
        ...encapsulate(to),
      ]),
    flood: (devices, to) => [
      // The way out comes last: the tag is for what goes there.
      ...parts(0n, [
        ...devices.map((device) => [output(device)]),
        ...to.map(encapsulate),
        ...(uplink === undefined ? [] : [leave]),
      ]),
      ...parts(
        1n,
        devices.map((device) => [output(device)]),
      ),
    ],
  };
};

/** Turns the request around: RFC 826, "Packet Reception". */
const arpReply = (ip: IpAddress, mac: MacAddress): readonly ActionSpec[] => {
  const holder = macNumber(mac);
  const [toAsker, isReply, toAskersMac, toAskersIp, back] = ARP_REPLY;
  return [
    toAsker,
    set('eth_src', holder),
    isReply,
    toAskersMac,
    toAskersIp,
    set('arp_sha', holder),
    set('arp_spa', ipToBigInt(ip)),
    back,
  ];
};

/** What is the same in every answer. */
const ARP_REPLY = [
  move('eth_src', 'eth_dst'),
  set('arp_op', REPLY),
  move('arp_sha', 'arp_tha'),
  move('arp_spa', 'arp_tpa'),
  output(BACK),
] as const;

/**
 * Turns the solicitation around (RFC 4861 §7.2.4), up to what only an advertisement has: the switch lets a flow set that
 * only when it matches an advertisement, which is the flow of `nd_reply`.
 */
const turnedSolicitation = (ip: IpAddress, mac: MacAddress): readonly ActionSpec[] => [
  move('eth_src', 'eth_dst'),
  set('eth_src', macNumber(mac)),
  move('ipv6_src', 'ipv6_dst'),
  set('ipv6_src', ipToBigInt(ip)),
  set('icmpv6_type', ADVERTISEMENT),
];

/** Completes an advertisement, of whichever address: its sender is the target. */
const advertisement: readonly ActionSpec[] = [
  move('eth_src', 'nd_tll'),
  set('nd_options_type', TARGET_LINK_LAYER),
  set('nd_reserved', ADVERTISED),
  output(BACK),
];

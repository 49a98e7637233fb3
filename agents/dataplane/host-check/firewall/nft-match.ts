import { contains, parseCidr } from '#platform/net/cidr.ts';
import { ipToBigInt, parseIp } from '#platform/net/ip-address.ts';
import { deviceIs } from './iptables.ts';
import { not, or, type Packet, type Ternary } from './packet.ts';

/** Part of what `nft -j` prints; libnftables-json(5) says what is in it. */
export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The elements of a set or map by its name, which begins with `@`. */
export type NamedSets = ReadonlyMap<string, readonly unknown[]>;

/** What a packet has where an expression looks: a value, nothing at all (`absent`: no comparison holds), or not known. */
type Value =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'device'; readonly name: string | undefined }
  /** Several at once, such as the states of a connection. */
  | { readonly kind: 'flags'; readonly flags: readonly string[] }
  | { readonly kind: 'concat'; readonly parts: readonly Value[] }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown' };

const UNKNOWN: Value = { kind: 'unknown' };
const ABSENT: Value = { kind: 'absent' };

const text = (value: string | number | undefined): Value =>
  value === undefined ? UNKNOWN : { kind: 'text', text: value.toString() };

/** Whether a packet meets `{"op": …, "left": …, "right": …}`. */
export const matchHolds = ({ op, left, right }: Json, packet: Packet, sets: NamedSets): Ternary => {
  const value = valueOf(left, packet);
  if (value.kind === 'absent') return false;
  if (value.kind === 'unknown') return undefined;
  if (op === '==' || op === 'in') return isAmong(value, right, sets);
  if (op === '!=') return not(isAmong(value, right, sets));
  if (value.kind !== 'text' || typeof right !== 'number') return undefined;
  const number = Number(value.text);
  switch (op) {
    case '<':
      return number < right;
    case '>':
      return number > right;
    case '<=':
      return number <= right;
    case '>=':
      return number >= right;
    default:
      return undefined;
  }
};

/** Whether the key of a verdict map has this element. */
export const keyIs = (key: unknown, element: unknown, packet: Packet, sets: NamedSets): Ternary =>
  matchHolds({ op: '==', left: key, right: element }, packet, sets);

const valueOf = (expression: unknown, packet: Packet): Value => {
  if (!isObject(expression)) return UNKNOWN;
  const { payload, meta, ct, concat } = expression;
  if (isObject(payload)) return payloadOf(payload, packet);
  if (isObject(meta)) return metaOf(meta['key'], packet);
  // The first packet of a tunnel's flow, which is the one that decides.
  if (isObject(ct) && ct['key'] === 'state') return { kind: 'flags', flags: ['new'] };
  if (isObject(ct) && ct['key'] === 'status') return { kind: 'flags', flags: [] };
  if (Array.isArray(concat)) return concatOf(concat.map((part: unknown) => valueOf(part, packet)));
  return UNKNOWN;
};

const concatOf = (parts: readonly Value[]): Value =>
  parts.some(({ kind }) => kind === 'absent') ? ABSENT : { kind: 'concat', parts };

const payloadOf = ({ protocol, field }: Json, packet: Packet): Value => {
  const { version, udpPort, source, destination } = packet;
  switch (protocol) {
    case 'ip':
    case 'ip6':
      if ((protocol === 'ip') !== (version === 4)) return ABSENT;
      if (field === 'saddr') return text(source);
      if (field === 'daddr') return text(destination);
      if (field === 'protocol' || field === 'nexthdr') return udpPort === undefined ? UNKNOWN : text('udp');
      return UNKNOWN;
    case 'udp':
    case 'th':
      return field === 'dport' ? text(udpPort) : UNKNOWN;
    case 'tcp':
    case 'sctp':
    case 'dccp':
    case 'icmp':
    case 'icmpv6':
    case 'igmp':
    case 'esp':
    case 'ah':
      return udpPort === undefined ? UNKNOWN : ABSENT;
    default:
      return UNKNOWN;
  }
};

const metaOf = (key: unknown, packet: Packet): Value => {
  switch (key) {
    case 'l4proto':
      return packet.udpPort === undefined ? UNKNOWN : text('udp');
    case 'nfproto':
      return text(`ipv${packet.version.toString()}`);
    case 'protocol':
      return text(packet.version === 4 ? 'ip' : 'ip6');
    case 'iif':
    case 'iifname':
      return { kind: 'device', name: packet.inDevice };
    case 'oif':
    case 'oifname':
      return { kind: 'device', name: packet.outDevice };
    default:
      return UNKNOWN;
  }
};

const isAmong = (value: Value, right: unknown, sets: NamedSets): Ternary => {
  if (typeof right === 'string' && right.startsWith('@')) {
    const elements = sets.get(right);
    return elements === undefined ? undefined : isAmong(value, elements, sets);
  }
  if (Array.isArray(right)) return right.reduce<Ternary>((held, each) => or(held, isAmong(value, each, sets)), false);
  if (isObject(right)) {
    if ('set' in right) return isAmong(value, right['set'], sets);
    // With a timeout or a counter of its own.
    if (isObject(right['elem'])) return isAmong(value, right['elem']['val'], sets);
    if (value.kind === 'concat' && Array.isArray(right['concat'])) return concatIs(value.parts, right['concat'], sets);
  }
  return isOne(value, right);
};

const concatIs = (parts: readonly Value[], wanted: readonly unknown[], sets: NamedSets): Ternary => {
  const each = parts.map((part, at) => (part.kind === 'unknown' ? undefined : isAmong(part, wanted[at], sets)));
  return each.includes(false) ? false : each.includes(undefined) ? undefined : true;
};

const isOne = (value: Value, right: unknown): Ternary => {
  if (value.kind === 'flags') return typeof right === 'string' ? value.flags.includes(right) : undefined;
  if (value.kind === 'device') return typeof right === 'string' ? deviceIs(value.name, right, '*') : undefined;
  if (value.kind !== 'text') return undefined;
  if (typeof right === 'string' || typeof right === 'number') return value.text === right.toString();
  if (!isObject(right)) return undefined;
  const { prefix, range } = right;
  try {
    if (isObject(prefix)) {
      const { addr, len } = prefix;
      if (typeof addr !== 'string' || typeof len !== 'number') return undefined;
      return contains(parseCidr('prefix', `${addr}/${len.toString()}`), parseIp('address', value.text));
    }
    if (Array.isArray(range)) return inRange(value.text, range);
  } catch {
    // No addresses after all.
  }
  return undefined;
};

const inRange = (value: string, [low, high]: readonly unknown[]): Ternary => {
  if (typeof low === 'number' && typeof high === 'number') return Number(value) >= low && Number(value) <= high;
  if (typeof low !== 'string' || typeof high !== 'string') return undefined;
  const [from, to, at] = [low, high, value].map((each) => ipToBigInt(parseIp('range', each))) as [
    bigint,
    bigint,
    bigint,
  ];
  return low.includes(':') === value.includes(':') && at >= from && at <= to;
};

import { parseIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Destination, Rows } from '../../model/rows.ts';
import { FLOOD_MAC } from './operations.ts';
import type { BridgePortSettings, BridgeSettings, ObservedLink, VxlanSettings } from './observed.ts';

/** One object of a tool's `-json` output. What is missing or of another type than expected is taken as not said. */
export type Dumped = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const isObject = (value: unknown): value is Dumped =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (value: unknown): Dumped | undefined => (isObject(value) ? value : undefined);
const has = (value: unknown, item: string): boolean => Array.isArray(value) && value.includes(item);

const readable = <T>(parse: (field: string, text: string) => T, value: unknown): T | undefined => {
  if (typeof value !== 'string') return undefined;
  try {
    return parse('', value);
  } catch {
    // Nothing that we write: not our business.
    return undefined;
  }
};

/** A link of `ip -json -details link show`; undefined for an object that is none. */
export const parseLink = (dumped: Dumped): ObservedLink | undefined => {
  const name = text(dumped['ifname']);
  const mtu = number(dumped['mtu']);
  if (name === undefined || mtu === undefined || !Array.isArray(dumped['flags'])) return undefined;
  const info = object(dumped['linkinfo']);
  const kind = text(info?.['info_kind']);
  const data = object(info?.['info_data']);
  const slave = info?.['info_slave_kind'] === 'bridge' ? object(info['info_slave_data']) : undefined;
  const alias = text(dumped['ifalias']);
  const master = text(dumped['master']);
  const addressGeneration = text(dumped['inet6_addr_gen_mode']);
  return {
    name,
    mtu,
    up: has(dumped['flags'], 'UP'),
    ...(alias !== undefined && { alias }),
    ...(kind !== undefined && { kind }),
    ...(master !== undefined && { master }),
    ...(addressGeneration !== undefined && { addressGeneration }),
    ...(kind === 'bridge' && data !== undefined && { bridge: parseBridge(data) }),
    ...(kind === 'vxlan' && data !== undefined && { vxlan: parseVxlan(data) }),
    ...(slave !== undefined && { port: parseBridgePort(slave) }),
  };
};

const parseBridge = (data: Dumped): BridgeSettings => ({
  stp: data['stp_state'] !== 0,
  forwardDelay: number(data['forward_delay']) ?? -1,
  multicastSnooping: data['mcast_snooping'] !== 0,
});

const parseVxlan = (data: Dumped): VxlanSettings => {
  const local = readable(parseIp, data['local'] ?? data['local6']);
  return {
    vni: number(data['id']) ?? 0,
    udpPort: number(data['port']) ?? 0,
    learning: data['learning'] !== false,
    proxy: data['proxy'] === true,
    foreignMode: ['group', 'group6', 'remote', 'remote6', 'external'].some((name) => name in data),
    ...(local !== undefined && { local }),
  };
};

const parseBridgePort = (data: Dumped): BridgePortSettings => ({
  learning: data['learning'] !== false,
  neighbourSuppression: data['neigh_suppress'] === true,
});

/** Where rows are collected while a dump is read. */
export interface RowCollector {
  readonly fdb: Map<MacAddress, Destination>;
  readonly bridgeFdb: Map<MacAddress, string>;
  readonly neighbours: Map<IpAddress, MacAddress>;
  readonly flood: Map<IpAddress, Destination>;
  readonly strayFdb: Set<MacAddress>;
  readonly strayFlood: Destination[];
}

export const newRows = (): RowCollector & Rows => ({
  fdb: new Map(),
  bridgeFdb: new Map(),
  neighbours: new Map(),
  flood: new Map(),
  strayFdb: new Set(),
  strayFlood: [],
});

/** The devices whose rows are read, and the UDP port of a destination that names none. */
export interface FdbSource {
  readonly bridge: string;
  readonly vxlan: string;
  readonly udpPort: number;
}

/** Takes up a row of `bridge -json fdb show`. */
export const collectFdb = (dumped: Dumped, source: FdbSource, rows: RowCollector): void => {
  if (dumped['master'] === source.bridge) {
    // Only `static` is ours: `permanent` are the host's own addresses, others were learned and go by themselves.
    const mac = dumped['state'] === 'static' ? readable(parseMac, dumped['mac']) : undefined;
    const port = text(dumped['ifname']);
    if (mac !== undefined && port !== undefined) rows.bridgeFdb.set(mac, port);
  } else if (dumped['ifname'] === source.vxlan && has(dumped['flags'], 'self')) {
    collectVxlanRow(dumped, source.udpPort, rows);
  }
};

const collectVxlanRow = (dumped: Dumped, ownPort: number, rows: RowCollector): void => {
  const address = readable(parseIp, dumped['dst']);
  const udpPort = number(dumped['port']) ?? ownPort;
  if (dumped['mac'] === FLOOD_MAC) {
    if (address === undefined) return;
    if (rows.flood.has(address)) rows.strayFlood.push({ address, udpPort });
    else rows.flood.set(address, { address, udpPort });
    return;
  }
  const mac = readable(parseMac, dumped['mac']);
  if (mac === undefined) return;
  const stays = dumped['state'] === 'static' || dumped['state'] === 'permanent';
  const plain = address !== undefined && !('vni' in dumped) && !('via' in dumped) && !('viaIf' in dumped);
  if (stays && plain) rows.fdb.set(mac, { address, udpPort });
  else rows.strayFdb.add(mac);
};

/** Takes up a neighbour of `ip -json neigh show dev <vxlan>`; only permanent ones are ours. */
export const collectNeighbour = (dumped: Dumped, rows: RowCollector): void => {
  if (!has(dumped['state'], 'PERMANENT')) return;
  const ip = readable(parseIp, dumped['dst']);
  const mac = readable(parseMac, dumped['lladdr']);
  if (ip !== undefined && mac !== undefined) rows.neighbours.set(ip, mac);
};

import type { HostDevice, HostTable } from './host-look.ts';

type Dumped = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const object = (value: unknown): Dumped =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Dumped) : {};

/** A device of `ip -json -details address show`; undefined for an object that is none. */
export const parseDevice = (dumped: Dumped, namespace: string): HostDevice | undefined => {
  const [name, index, mtu] = [text(dumped['ifname']), number(dumped['ifindex']), number(dumped['mtu'])];
  if (name === undefined || index === undefined || mtu === undefined) return undefined;
  const info = object(dumped['linkinfo']);
  const data = object(info['info_data']);
  const kind = text(info['info_kind']);
  const [alias, mac, master] = [text(dumped['ifalias']), text(dumped['address']), text(dumped['master'])];
  const [lower, peerIndex] = [text(dumped['link']), number(dumped['link_index'])];
  const local = text(data['local']) ?? text(data['local6']);
  return {
    name,
    index,
    namespace,
    mtu,
    up: list(dumped['flags']).includes('UP'),
    addresses: list(dumped['addr_info'])
      .map(object)
      .filter(({ scope }) => scope !== 'link')
      .flatMap(({ local: address, prefixlen }) =>
        typeof address === 'string' && typeof prefixlen === 'number' ? [`${address}/${prefixlen.toString()}`] : [],
      ),
    ...(kind !== undefined && { kind }),
    ...(alias !== undefined && { alias }),
    ...(mac !== undefined && { mac }),
    ...(master !== undefined && { master }),
    ...(lower !== undefined && { lower }),
    ...(kind === 'veth' && peerIndex !== undefined && { peerIndex }),
    ...(kind === 'vxlan' && {
      vxlan: {
        vni: number(data['id']) ?? 0,
        udpPort: number(data['port']) ?? 0,
        ...(local !== undefined && { local }),
      },
    }),
    ...(kind === 'vlan' && { vlan: number(data['id']) ?? 0 }),
  };
};

/** The name in an object of `ip -json netns list`. */
export const parseNamespace = (dumped: Dumped): string | undefined => text(dumped['name']);

/** A route that somebody made, as `ip route` writes it; undefined for those that come with an address. */
export const parseRoute = (dumped: Dumped): string | undefined => {
  const [destination, via, device] = [text(dumped['dst']), text(dumped['gateway']), text(dumped['dev'])];
  if (destination === undefined || dumped['protocol'] === 'kernel') return undefined;
  return `${destination}${via === undefined ? '' : ` via ${via}`}${device === undefined ? '' : ` dev ${device}`}`;
};

/** Tables and their chains of `nft -j list chains`. */
export const parseTables = (dumped: readonly Dumped[], namespace: string): readonly HostTable[] => {
  const tables = new Map<string, { family: string; name: string; chains: string[] }>();
  for (const each of dumped.flatMap((root) => list(root['nftables']).map(object))) {
    const chain = object(each['chain']);
    const [family, name, member] = [text(chain['family']), text(chain['table']), text(chain['name'])];
    if (family === undefined || name === undefined) continue;
    const key = `${family} ${name}`;
    const table = tables.get(key) ?? { family, name, chains: [] };
    if (member !== undefined) table.chains.push(member);
    tables.set(key, table);
  }
  return [...tables.values()].map((table) => ({ ...table, namespace }));
};

const FLOOD = '00:00:00:00:00:00';

/** Per VXLAN device the destinations of its flood rows, of `bridge -json fdb show`. */
export const parseFlood = (dumped: readonly Dumped[]): ReadonlyMap<string, readonly string[]> => {
  const flood = new Map<string, string[]>();
  for (const { mac, ifname, dst } of dumped) {
    if (mac !== FLOOD || typeof ifname !== 'string' || typeof dst !== 'string') continue;
    flood.set(ifname, [...(flood.get(ifname) ?? []), dst]);
  }
  return flood;
};

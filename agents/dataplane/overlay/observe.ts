import { contains, parseCidr } from '#platform/net/cidr.ts';
import { ADDRESS_BITS, ipVersion, parseIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { jsonObjects, outputOf } from '../sys/command.ts';
import type { CommandRunner } from '../sys/command.ts';
import { interfaceAddress } from './model/interface-address.ts';
import type { HostAddress, HostLink, ObservedHost, Route } from './model/observed.ts';

type Dumped = Readonly<Record<string, unknown>>;

/** Of the kernel, what is to be looked at beyond all devices. */
export interface Questions {
  /** Addresses to which the way is asked for. */
  readonly peers: readonly IpAddress[];
  /** Those of them of which it matters how narrow the route is. */
  readonly narrow: readonly IpAddress[];
  /** Which of the devices that are there are asked for their offloads. */
  readonly offloads: (link: HostLink) => boolean;
}

/** Reads the kernel's side of the host: all devices with their addresses, the ways to peers, offloads. */
export const observeKernel = async (
  commands: CommandRunner,
  { peers, narrow, offloads }: Questions,
  signal: AbortSignal,
): Promise<Pick<ObservedHost, 'links' | 'routes' | 'txChecksum'>> => {
  const command = ['ip', '-json', '-details', 'addr', 'show'];
  const [dumped, ways, entries] = await Promise.all([
    outputOf(commands, command, signal),
    routesTo(commands, 'route get', peers, signal),
    routesTo(commands, 'route get fibmatch', narrow, signal),
  ]);
  const links = new Map<string, HostLink>();
  for (const each of jsonObjects(command.join(' '), dumped)) {
    const link = parseLink(each);
    if (link !== undefined) links.set(link.name, link);
  }
  const checksums = [...links.values()]
    .filter(offloads)
    .map(async ({ name }) => [name, await txChecksumOf(commands, name, signal)] as const);
  const known = (await Promise.all(checksums)).filter((each): each is [string, boolean] => each[1] !== undefined);
  return { links, routes: parseRoutes(ways, entries, links), txChecksum: new Map(known) };
};

/** One object per address that can be reached; an address that cannot adds nothing. */
const routesTo = async (
  commands: CommandRunner,
  question: string,
  addresses: readonly IpAddress[],
  signal: AbortSignal,
): Promise<readonly Dumped[]> => {
  if (addresses.length === 0) return [];
  const input = addresses.map((address) => `${question} ${address}\n`).join('');
  const { stdout } = await commands.run(['ip', '-force', '-json', '-batch', '-'], signal, { input });
  return jsonObjects(`ip ${question}`, stdout);
};

const parseLink = (dumped: Dumped): HostLink | undefined => {
  const { ifname: name, mtu, flags, master, ifalias: alias, link, linkinfo, addr_info: addresses } = dumped;
  if (typeof name !== 'string' || typeof mtu !== 'number' || !Array.isArray(flags)) return undefined;
  const kind = isObject(linkinfo) ? linkinfo['info_kind'] : undefined;
  return {
    name,
    mtu,
    up: flags.includes('UP'),
    addresses: Array.isArray(addresses) ? addresses.flatMap(parseAddress) : [],
    ...(typeof kind === 'string' && { kind }),
    ...(typeof master === 'string' && { master }),
    ...(typeof alias === 'string' && { alias }),
    ...(typeof link === 'string' && { link }),
  };
};

const parseAddress = (dumped: unknown): readonly HostAddress[] => {
  if (!isObject(dumped)) return [];
  const { local, prefixlen, scope, secondary } = dumped;
  // Those of the scope of a link are the kernel's own.
  if (typeof local !== 'string' || typeof prefixlen !== 'number' || scope === 'link') return [];
  try {
    return [{ ...interfaceAddress(parseIp('local', local), prefixlen), secondary: secondary === true }];
  } catch {
    // Nothing that we write.
    return [];
  }
};

const parseRoutes = (
  ways: readonly Dumped[],
  entries: readonly Dumped[],
  links: ReadonlyMap<string, HostLink>,
): ReadonlyMap<IpAddress, Route> => {
  const routes = new Map<IpAddress, Route>();
  for (const each of ways) {
    const { dst, dev: device, type } = each;
    if (typeof dst !== 'string' || typeof device !== 'string') continue;
    const link = links.get(device);
    if (link === undefined) continue;
    const address = parseIp('dst', dst);
    const prefixLength = longestOf(entries, address);
    routes.set(address, {
      device,
      mtu: Math.min(link.mtu, fixedMtuOf(each) ?? link.mtu),
      isLocal: type === 'local',
      ...(prefixLength !== undefined && { prefixLength }),
    });
  }
  return routes;
};

/** The entry that leads to an address is among those asked for, and the longest of those that contain it. */
const longestOf = (entries: readonly Dumped[], address: IpAddress): number | undefined => {
  let longest: number | undefined;
  for (const { dst } of entries) {
    if (typeof dst !== 'string') continue;
    if (dst === 'default') longest ??= 0;
    else {
      const cidr = parseCidr(
        'dst',
        dst.includes('/') ? dst : `${dst}/${ADDRESS_BITS[ipVersion(parseIp('dst', dst))].toString()}`,
      );
      if (contains(cidr, address)) longest = Math.max(longest ?? 0, cidr.prefixLength);
    }
  }
  return longest;
};

/** The MTU that a person gave to a route. One that was learned from a router expires, and does not count. */
const fixedMtuOf = ({ metrics, expires }: Dumped): number | undefined => {
  if (!Array.isArray(metrics) || expires !== undefined) return undefined;
  const mtus = metrics.filter(isObject).map(({ mtu }) => mtu);
  return mtus.find((mtu) => typeof mtu === 'number');
};

/** Undefined when there is no such device. */
const txChecksumOf = async (
  commands: CommandRunner,
  device: string,
  signal: AbortSignal,
): Promise<boolean | undefined> => {
  const { stdout } = await commands.run(['ethtool', '-k', device], signal);
  const value = /^tx-checksumming: (?<value>on|off)/m.exec(stdout)?.groups?.['value'];
  return value === undefined ? undefined : value === 'on';
};

const isObject = (value: unknown): value is Dumped =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

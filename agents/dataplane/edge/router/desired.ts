import { ADDRESS_BITS, ipToBigInt, ipVersion, parseIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { tapName } from '#platform/net/names.ts';
import type { RouterDuty } from '../../model/router-duty.ts';
import type { ServedPort } from '../../model/served-port.ts';
import { insideName } from '../core/names.ts';
import type { WantedLink, WantedNamespace, WantedRoute } from '../core/model.ts';
import { radvdConfig } from './advertisements.ts';
import { mappingsOf, routerTable } from './nat.ts';

/** All that a router is on its host. */
export interface WantedRouter {
  readonly namespace: WantedNamespace;
  /** Lines of its nftables table, as `nat.ts` writes them. */
  readonly table: readonly string[];
  /** Outside → inside, of that table. */
  readonly mappings: ReadonlyMap<string, string>;
  /** Its own addresses outside. */
  readonly outside: ReadonlySet<string>;
  /** radvd.conf; undefined: nothing is advertised. */
  readonly radvd?: string;
}

/** What a duty means on the host: pure, and the same whatever order its parts come in. */
export const wantedRouter = (duty: RouterDuty): WantedRouter => {
  const { routerId, gateway, enableSnat, floating } = duty;
  const byId = (a: ServedPort, b: ServedPort): number => (a.portId < b.portId ? -1 : 1);
  const outsideLink = gateway === undefined ? undefined : linkOf('qg-', gateway, floating.map(hostAddress));
  const inside = [...duty.interfaces].sort(byId).map((port) => linkOf('qr-', port));
  const links = [...(outsideLink === undefined ? [] : [outsideLink]), ...inside];
  const own = (gateway?.addresses ?? []).map((address) => address.replace(/\/.*/, ''));
  const address = own.find((each) => !each.includes(':'));
  const table = routerTable({
    routerId,
    ...(outsideLink !== undefined && {
      gateway: { device: outsideLink.name, ...(address !== undefined && { address: parseIp('address', address) }) },
    }),
    enableSnat,
    floating: [...floating].sort((a, b) => (a.outside < b.outside ? -1 : 1)),
  });
  const radvd = radvdConfig({ ...duty, interfaces: [...duty.interfaces].sort(byId) });
  return {
    namespace: {
      kind: 'router',
      id: routerId,
      links,
      routes: routesOf(duty, links),
      sysctls: [...SYSCTLS, ...links.flatMap(({ name }) => linkSysctls(name))],
    },
    table,
    mappings: mappingsOf(table),
    outside: new Set(own),
    ...(radvd !== undefined && { radvd }),
  };
};

const hostAddress = ({ outside }: { readonly outside: IpAddress }): string =>
  `${outside}/${ADDRESS_BITS[ipVersion(outside)].toString()}`;

const linkOf = (prefix: 'qr-' | 'qg-', port: ServedPort, more: readonly string[] = []): WantedLink => ({
  name: insideName(prefix, port.portId),
  tap: tapName(port.portId),
  portId: port.portId,
  networkId: port.networkId,
  mac: port.mac,
  mtu: port.mtu,
  addresses: [...new Set([...port.addresses, ...[...more].sort()])],
});

/** Routers forward, believe no other router, and answer ARP on the device that has the address. */
const SYSCTLS = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv4.conf.all.arp_ignore=1',
  'net.ipv4.conf.all.arp_announce=2',
  // A source must be reachable some way; a router with several interfaces may hear it another way.
  'net.ipv4.conf.all.rp_filter=2',
];

const linkSysctls = (device: string): readonly string[] => [
  // A floating address on the same device is not nearer than through the router.
  `net.ipv4.conf.${device}.send_redirects=0`,
  // Tells that it is there whenever its link comes up.
  `net.ipv4.conf.${device}.arp_notify=1`,
  `net.ipv6.conf.${device}.ndisc_notify=1`,
  `net.ipv6.conf.${device}.accept_ra=0`,
  // Its link-local address is made of its MAC address, which no other port has; the host that had the router may still answer.
  `net.ipv6.conf.${device}.accept_dad=0`,
];

/** A static route takes the place of the gateway's for the same destination. What no interface can reach is left out. */
const routesOf = ({ gateway, routes }: RouterDuty, links: readonly WantedLink[]): readonly WantedRoute[] => {
  const wanted = new Map<string, WantedRoute>();
  const outside = links.find(({ name }) => name.startsWith('qg-'));
  for (const via of gateway?.gatewayIps ?? []) {
    const version = ipVersion(via);
    const key = `${version.toString()} default`;
    if (outside !== undefined && !wanted.has(key)) {
      wanted.set(key, { destination: 'default', version, via, device: outside.name });
    }
  }
  for (const { destination, nexthop } of routes) {
    const link = links.find(({ addresses }) => addresses.some((address) => isBeside(address, nexthop)));
    if (link === undefined) continue;
    const { version, prefixLength } = destination;
    const isHost = prefixLength === ADDRESS_BITS[version];
    const shown = prefixLength === 0 ? 'default' : isHost ? destination.network : destination.text;
    wanted.set(`${version.toString()} ${shown}`, { destination: shown, version, via: nexthop, device: link.name });
  }
  return [...wanted.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, route]) => route);
};

/** Whether an address is in the prefix of one of an interface, `address/length`. */
const isBeside = (interfaceAddress: string, ip: IpAddress): boolean => {
  const [text = '', length = '0'] = interfaceAddress.split('/');
  const own = parseIp('address', text);
  const version = ipVersion(own);
  if (version !== ipVersion(ip)) return false;
  const hostBits = BigInt(ADDRESS_BITS[version] - Number(length));
  return ipToBigInt(own) >> hostBits === ipToBigInt(ip) >> hostBits;
};

import { contains } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { ipVersion } from '#platform/net/ip-address.ts';
import type { DhcpDuty, DhcpSubnet } from '../../model/dhcp-duty.ts';

/** Where guests of clouds look for what concerns them alone; the DHCP server's device has it as Neutron's does. */
export const METADATA = '169.254.169.254';

/** The files that dnsmasq reads again when it is told to; names as Neutron has them. */
export interface DhcpFiles {
  readonly host: string;
  readonly addn_hosts: string;
  readonly opts: string;
}

/** What dnsmasq(8) calls a tag: all that is about one subnet bears it. Subnets are in the order of their ids. */
export const tagged = (duty: DhcpDuty): readonly { readonly tag: string; readonly subnet: DhcpSubnet }[] =>
  [...duty.subnets]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((subnet, at) => ({ tag: `tag${at.toString()}`, subnet }));

/** The text of each file: the same whatever order ports and subnets come in. */
export const dhcpFiles = (duty: DhcpDuty): DhcpFiles => {
  const served = tagged(duty);
  const entries = [...duty.hosts]
    .sort((a, b) => (a.portId < b.portId ? -1 : 1))
    .flatMap(({ mac, ips, hostname }) => ips.map((ip) => ({ mac, ip, hostname })));
  return {
    host: lines(
      entries
        .filter(({ ip }) => served.some(({ subnet }) => contains(subnet.cidr, ip) && isLeased(subnet)))
        .map(({ mac, ip, hostname }) => [mac, ...nameOf(duty, hostname), bracketed(ip)].join(',')),
    ),
    addn_hosts: lines(
      entries.flatMap(({ ip, hostname }) =>
        hostname === '' ? [] : [[ip, ...new Set([...nameOf(duty, hostname), hostname])].join('\t')],
      ),
    ),
    opts: lines(served.flatMap(({ tag, subnet }) => optionsOf(duty, tag, subnet))),
  };
};

/** Whether guests of the subnet ask for their address; else they make it themselves (RFC 4862). */
const isLeased = ({ cidr, ipv6Mode }: DhcpSubnet): boolean => cidr.version === 4 || ipv6Mode === 'dhcpv6-stateful';

const lines = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('');

const nameOf = ({ domain }: DhcpDuty, hostname: string): readonly string[] =>
  hostname === '' ? [] : [domain === '' ? hostname : `${hostname}.${domain}`];

const bracketed = (ip: IpAddress): string => (ipVersion(ip) === 6 ? `[${ip}]` : ip);

const optionsOf = (duty: DhcpDuty, tag: string, subnet: DhcpSubnet): readonly string[] => {
  const own = ownAddressIn(duty, subnet);
  // Without name servers of its own a subnet has the DHCP server's, which knows the network's ports by name.
  const servers = subnet.nameServers.filter((ip) => ipVersion(ip) === subnet.cidr.version);
  const names = servers.length > 0 ? servers : own === undefined ? [] : [own];
  if (subnet.cidr.version === 6) {
    return [
      ...(names.length === 0 ? [] : [`tag:${tag},option6:dns-server,${names.map(bracketed).join(',')}`]),
      ...(duty.domain === '' ? [] : [`tag:${tag},option6:domain-search,${duty.domain}`]),
    ];
  }
  const routes = classlessRoutes(duty, subnet, own);
  return [
    ...(names.length === 0 ? [] : [`tag:${tag},option:dns-server,${names.join(',')}`]),
    // RFC 3442, and by the number that Windows before 2008 asks for. Who takes it ignores the router, so that is in it too.
    ...(routes.length === 0 ? [] : [`tag:${tag},option:classless-static-route,${routes}`, `tag:${tag},249,${routes}`]),
    // Without a value it is not sent: dnsmasq would send itself.
    `tag:${tag},option:router${subnet.gateway === undefined ? '' : `,${subnet.gateway}`}`,
  ];
};

/** The server's own address in a subnet. */
const ownAddressIn = ({ port }: DhcpDuty, { cidr }: DhcpSubnet): IpAddress | undefined =>
  port.addresses
    .map((address) => address.replace(/\/.*/, '') as IpAddress)
    .find((ip) => ipVersion(ip) === cidr.version && contains(cidr, ip));

const classlessRoutes = (duty: DhcpDuty, subnet: DhcpSubnet, own: IpAddress | undefined): string => {
  const others = tagged(duty).filter(({ subnet: { id, cidr } }) => cidr.version === 4 && id !== subnet.id);
  const hostRoutes = subnet.hostRoutes.filter(({ destination }) => destination.version === 4);
  const isRouted = (text: string): boolean => hostRoutes.some(({ destination }) => destination.text === text);
  return [
    ...hostRoutes.map(({ destination, nexthop }) => `${destination.text},${nexthop}`),
    // Other subnets of the network are on the same wire.
    ...others.map(({ subnet: { cidr } }) => `${cidr.text},0.0.0.0`),
    ...(own === undefined || isRouted(`${METADATA}/32`) ? [] : [`${METADATA}/32,${own}`]),
    ...(subnet.gateway === undefined || isRouted('0.0.0.0/0') ? [] : [`0.0.0.0/0,${subnet.gateway}`]),
  ].join(',');
};

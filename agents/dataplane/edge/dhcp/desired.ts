import { createHash } from 'node:crypto';
import { linkLocalOf } from '#platform/net/eui64.ts';
import { tapName } from '#platform/net/names.ts';
import type { DhcpDuty, DhcpSubnet } from '../../model/dhcp-duty.ts';
import type { DaemonSpec, WantedNamespace, WantedNeighbour, WantedRoute } from '../core/model.ts';
import { insideName, namespaceName } from '../core/names.ts';
import { dhcpFiles, METADATA, tagged } from './files.ts';
import type { DhcpFiles } from './files.ts';

/** All that DHCP for a network is on its host. */
export interface WantedDhcp {
  readonly namespace: WantedNamespace;
  /** Of this network's files. */
  readonly folder: string;
  readonly files: DhcpFiles;
  readonly daemon: DaemonSpec;
  /** Who may have which address: of a lease that is not among them the address is wanted back. */
  readonly leases: ReadonlySet<string>;
}

/** How long a lease lasts; it only ends before when the port is deleted. */
const LEASE = '86400s';
/** Seconds between two router advertisements that nobody asked for. */
const ADVERTISE_S = 600;
const MOST_LEASES = 1 << 24;

/** What a duty means on the host: pure, and the same whatever order its parts come in. */
export const wantedDhcp = (duty: DhcpDuty, stateDir: string): WantedDhcp => {
  const { networkId, port } = duty;
  const device = insideName('ns-', port.portId);
  const folder = folderOf(stateDir, networkId);
  const hasIpv4 = port.addresses.some((address) => !address.includes(':'));
  const namespace: WantedNamespace = {
    kind: 'dhcp',
    id: networkId,
    links: [
      {
        name: device,
        tap: tapName(port.portId),
        portId: port.portId,
        networkId,
        mac: port.mac,
        mtu: port.mtu,
        addresses: [...[...port.addresses].sort(), ...(hasIpv4 ? [`${METADATA}/16`] : [])],
      },
    ],
    routes: defaultRoutes(duty, device),
    neighbours: neighboursOf(duty, device),
    // It advertises itself, and believes nobody who does.
    sysctls: ['net.ipv6.conf.default.accept_ra=0'],
  };
  const daemon = daemonOf(networkId, folder, argumentsOf(duty, device, folder));
  const leases = new Set(duty.hosts.flatMap(({ mac, ips }) => ips.map((ip) => leaseKey(mac, ip))));
  return { namespace, folder, files: dhcpFiles(duty), daemon, leases };
};

/** The folder of a network's DHCP files. */
export const folderOf = (stateDir: string, networkId: string): string => `${stateDir}/dhcp/${networkId}`;

/** dnsmasq of a network; what identifies it is its pid file. */
export const daemonOf = (networkId: string, folder: string, words: readonly string[] = []): DaemonSpec => ({
  namespace: namespaceName('dhcp', networkId),
  argv: ['dnsmasq', ...words],
  pidFile: `${folder}/pid`,
});

/** A host's claim of an address. */
export const leaseKey = (mac: string, ip: string): string => `${mac} ${ip}`;

/** Which version of its files a dnsmasq has read, as the agent notes it beside them. */
export const versionOf = ({ host, addn_hosts, opts }: DhcpFiles): string =>
  `${createHash('sha256')
    .update(JSON.stringify([host, addn_hosts, opts]))
    .digest('hex')}\n`;

const defaultRoutes = ({ port }: DhcpDuty, device: string): readonly WantedRoute[] =>
  ([4, 6] as const).flatMap((version): WantedRoute[] => {
    const via = port.gatewayIps.find((ip) => ip.includes(':') === (version === 6));
    return via === undefined || port.addresses.some((address) => address.startsWith(`${via}/`))
      ? []
      : [{ destination: 'default', version, via, device }];
  });

/**
 * Guests ask for DHCPv6 and for routers from their link-local address, which is made of the MAC address and which no table of
 * a network knows: between hosts with Linux bridges it is not resolved.
 */
const neighboursOf = (duty: DhcpDuty, device: string): readonly WantedNeighbour[] =>
  duty.subnets.every(({ cidr }) => cidr.version === 4)
    ? []
    : [...new Set(duty.hosts.map(({ mac }) => mac))].sort().map((mac) => ({ ip: linkLocalOf(mac), mac, device }));

/**
 * dnsmasq's arguments as Neutron's DHCP agent gives them. `--bind-dynamic` in place of `--bind-interfaces`: it stays when its
 * device is made anew, and waits for IPv6 addresses that are not yet usable. Where a router serves an IPv6 subnet it
 * advertises itself; what is advertised here has lifetime 0, so nobody takes this for a router.
 */
const argumentsOf = (duty: DhcpDuty, device: string, folder: string): readonly string[] => {
  const served = tagged(duty);
  const mtu = duty.port.mtu.toString();
  return [
    ...['--no-hosts', '--no-resolv', '--strict-order', '--except-interface=lo'],
    `--pid-file=${folder}/pid`,
    `--dhcp-hostsfile=${folder}/host`,
    `--addn-hosts=${folder}/addn_hosts`,
    `--dhcp-optsfile=${folder}/opts`,
    `--dhcp-leasefile=${folder}/leases`,
    ...['--dhcp-match=set:ipxe,175', '--bind-dynamic', `--interface=${device}`],
    ...served.map(({ tag, subnet }) => `--dhcp-range=set:${tag},${rangeOf(subnet)},${LEASE}`),
    `--dhcp-option-force=option:mtu,${mtu}`,
    `--dhcp-lease-max=${mostLeases(duty).toString()}`,
    '--conf-file=',
    ...(duty.domain === '' ? [] : [`--domain=${duty.domain}`]),
    ...['--dhcp-authoritative', '--no-ping'],
    ...(served.some(({ subnet }) => subnet.cidr.version === 6)
      ? ['--enable-ra', `--ra-param=${device},mtu:${mtu},${ADVERTISE_S.toString()},0`]
      : []),
  ];
};

const rangeOf = ({ cidr, ipv6Mode }: DhcpSubnet): string => {
  if (cidr.version === 4) return `${cidr.network},static`;
  const mode = { 'dhcpv6-stateful': 'static', 'dhcpv6-stateless': 'ra-stateless', slaac: 'ra-only' }[ipv6Mode];
  return `${cidr.network},${mode},${cidr.prefixLength.toString()}`;
};

/** As many as there are addresses, as Neutron has it. */
const mostLeases = ({ subnets }: DhcpDuty): number => {
  const sum = subnets.reduce((all, { cidr }) => all + (cidr.last - cidr.first + 1n), 0n);
  return sum > BigInt(MOST_LEASES) ? MOST_LEASES : Number(sum);
};

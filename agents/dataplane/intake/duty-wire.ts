import { Ipv6AddressMode, type Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import type { DhcpServer, RouterInstance, ServedPort as WireServedPort } from '#proto/weft/topology/v1/duty.ts';
import { invalidField } from '#platform/errors/domain-error.ts';
import { parseCidr, type Cidr } from '#platform/net/cidr.ts';
import { ADDRESS_BITS, ipVersion, parseIp, parseUnicastIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseMtu } from '#platform/net/mtu.ts';
import { parseUuid } from '#platform/net/names.ts';
import type { DhcpDuty, DhcpSubnet } from '../model/dhcp-duty.ts';
import type { Ipv6Mode, RoutedSubnet, RouterDuty, StaticRoute } from '../model/router-duty.ts';
import type { ServedPort } from '../model/served-port.ts';

/** RFC 1123: what stands in dnsmasq's files as one word. */
const LABEL = String.raw`[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?`;
const DOMAIN = new RegExp(String.raw`^(?=.{0,253}$)(?:${LABEL}(?:\.${LABEL})*)?$`);

/** Reads DHCP of a network. Throws `invalid`: nothing unchecked reaches a command or a file. */
export const parseDhcp = (duty: DhcpServer): DhcpDuty => ({
  networkId: parseUuid('dhcp_server.network_id', duty.network_id),
  port: parseServedPort('dhcp_server.port', duty.port),
  generation: parseGeneration('dhcp_server.generation', duty.generation),
  subnets: duty.subnets.map(parseDhcpSubnet),
  hosts: duty.hosts.map((host) => ({
    portId: parseUuid('dhcp_server.hosts.port_id', host.port_id),
    mac: parseMac('dhcp_server.hosts.mac_address', host.mac_address),
    ips: host.ip_addresses.map((ip) => parseUnicastIp('dhcp_server.hosts.ip_addresses', ip)),
    hostname: parseDomain('dhcp_server.hosts.hostname', host.hostname),
  })),
  domain: parseDomain('dhcp_server.dns_domain', duty.dns_domain),
});

/** Reads a router. Throws `invalid`. */
export const parseRouter = (duty: RouterInstance): RouterDuty => ({
  routerId: parseUuid('router.router_id', duty.router_id),
  generation: parseGeneration('router.generation', duty.generation),
  ...(duty.gateway !== undefined && { gateway: parseServedPort('router.gateway', duty.gateway) }),
  enableSnat: duty.enable_snat,
  interfaces: duty.interfaces.map((port) => parseServedPort('router.interfaces', port)),
  subnets: duty.subnets.map(parseRoutedSubnet),
  routes: duty.routes.map((route) => parseRoute('router.routes', route)),
  floating: duty.floating_addresses.map((each) => ({
    floatingIpId: parseUuid('router.floating_addresses.floating_ip_id', each.floating_ip_id),
    outside: parseUnicastIp('router.floating_addresses.floating_ip_address', each.floating_ip_address),
    inside: parseUnicastIp('router.floating_addresses.fixed_ip_address', each.fixed_ip_address),
  })),
});

const parseServedPort = (field: string, port: WireServedPort | undefined): ServedPort => {
  if (port === undefined) throw invalidField(field, port, 'is missing');
  return {
    portId: parseUuid(`${field}.port_id`, port.port_id),
    networkId: parseUuid(`${field}.network_id`, port.network_id),
    mac: parseMac(`${field}.mac_address`, port.mac_address),
    mtu: parseMtu(`${field}.mtu`, port.mtu),
    addresses: port.addresses.map((address) => parseAddress(`${field}.addresses`, address)),
    gatewayIps: port.gateway_ips.map((ip) => parseUnicastIp(`${field}.gateway_ips`, ip)),
  };
};

/** An address with its prefix length: unlike a CIDR it has host bits. */
const parseAddress = (field: string, text: string): string => {
  const [address = '', length = '', ...more] = text.split('/');
  const ip = parseUnicastIp(field, address);
  const isLength = /^(?:0|[1-9]\d{0,2})$/.test(length) && Number(length) <= ADDRESS_BITS[ipVersion(ip)];
  if (!isLength || more.length > 0) throw invalidField(field, text, 'is not an address with a prefix length');
  return `${ip}/${length}`;
};

const parseDhcpSubnet = (subnet: Subnet): DhcpSubnet => {
  const gateway = subnet.gateway_ip ?? '';
  return {
    id: parseUuid('subnets.id', subnet.id),
    cidr: parseCidr('subnets.cidr', subnet.cidr),
    ...(gateway !== '' && { gateway: parseIp('subnets.gateway_ip', gateway) }),
    nameServers: subnet.dns_nameservers.map((ip) => parseIp('subnets.dns_nameservers', ip)),
    hostRoutes: subnet.host_routes.map((route) => parseRoute('subnets.host_routes', route)),
    ipv6Mode: modeOf(subnet),
  };
};

const parseRoutedSubnet = (subnet: Subnet): RoutedSubnet => ({
  networkId: parseUuid('subnets.network_id', subnet.network_id),
  cidr: parseCidr('subnets.cidr', subnet.cidr),
  ipv6Mode: modeOf(subnet),
  dnsNameservers: subnet.dns_nameservers.map((ip) => parseIp('subnets.dns_nameservers', ip)),
});

const MODES: Readonly<Record<string, Ipv6Mode>> = {
  [Ipv6AddressMode.IPV6_ADDRESS_MODE_DHCPV6_STATELESS]: 'dhcpv6-stateless',
  [Ipv6AddressMode.IPV6_ADDRESS_MODE_SLAAC]: 'slaac',
};

const modeOf = ({ ipv6_address_mode }: Subnet): Ipv6Mode => MODES[ipv6_address_mode] ?? 'dhcpv6-stateful';

interface WireRoute {
  readonly destination: string;
  readonly nexthop: string;
}

const parseRoute = (field: string, { destination, nexthop }: WireRoute): StaticRoute => {
  const cidr: Cidr = parseCidr(`${field}.destination`, destination);
  const hop = parseUnicastIp(`${field}.nexthop`, nexthop);
  if (ipVersion(hop) !== cidr.version)
    throw invalidField(`${field}.nexthop`, nexthop, `is of another version than ${cidr.text}`);
  return { destination: cidr, nexthop: hop };
};

const parseDomain = (field: string, text: string): string => {
  if (!DOMAIN.test(text)) throw invalidField(field, text, 'is not a domain name');
  return text;
};

const parseGeneration = (field: string, text: string): number => {
  const generation = Number(text);
  if (!Number.isSafeInteger(generation) || generation < 0) throw invalidField(field, text, 'is not a generation');
  return generation;
};

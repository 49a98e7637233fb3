import { parseCidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Mtu } from '#platform/net/mtu.ts';
import type { ResourceName, Uuid } from '#platform/net/names.ts';
import { DHCP_OWNER, isServed } from './device-owner.ts';
import type { FloatingIp } from './floating-ip.ts';
import type { Network } from './network.ts';
import type { AddressPair, Port } from './port.ts';
import type { Route, Router, RouterPort } from './router.ts';
import type { Subnet } from './subnet.ts';

/** What a host has to serve besides forwarding; each is told whole. */
export type Duty = PortSecurity | DhcpServer | RouterInstance;

/** What a port that is bound to the host may send. */
export interface PortSecurity {
  readonly kind: 'port-security';
  readonly portId: Uuid;
  readonly networkId: Uuid;
  readonly enabled: boolean;
  readonly mac: MacAddress;
  readonly ipAddresses: readonly IpAddress[];
  readonly allowedAddressPairs: readonly AddressPair[];
  /** Of the port. */
  readonly revision: number;
}

/** A port in a namespace of the host. */
export interface ServedPort {
  readonly portId: Uuid;
  readonly networkId: Uuid;
  readonly mac: MacAddress;
  readonly mtu: Mtu;
  /** With the prefix length of their subnet. */
  readonly addresses: readonly string[];
  /** Of those subnets. */
  readonly gatewayIps: readonly IpAddress[];
}

/** A port that DHCP serves. */
export interface DhcpHost {
  readonly portId: Uuid;
  readonly mac: MacAddress;
  readonly ipAddresses: readonly IpAddress[];
  readonly hostname: string;
}

/** DHCP for a network. */
export interface DhcpServer {
  readonly kind: 'dhcp-server';
  readonly port: ServedPort;
  readonly generation: number;
  /** Those with enable_dhcp. */
  readonly subnets: readonly Subnet[];
  /** By port id. */
  readonly hosts: readonly DhcpHost[];
  readonly dnsDomain: string;
}

/** An address outside that stands for one inside. */
export interface FloatingAddress {
  readonly floatingIpId: Uuid;
  readonly outside: IpAddress;
  readonly inside: IpAddress;
}

/** A router. */
export interface RouterInstance {
  readonly kind: 'router';
  readonly routerId: Uuid;
  readonly generation: number;
  /** Absent: none. */
  readonly gateway?: ServedPort;
  readonly enableSnat: boolean;
  /** By port id. */
  readonly interfaces: readonly ServedPort[];
  /** Of all interfaces, by id. */
  readonly subnets: readonly Subnet[];
  readonly routes: readonly Route[];
  /** By floating IP id. */
  readonly floatingAddresses: readonly FloatingAddress[];
}

/** What no two duties of a host have in common. */
export const dutyKey = (duty: Duty): string => {
  switch (duty.kind) {
    case 'port-security':
      return securityKey(duty.portId);
    case 'dhcp-server':
      return dhcpKey(duty.port.portId);
    case 'router':
      return routerKey(duty.routerId);
  }
};

export const securityKey = (portId: string): string => `port:${portId}`;
export const dhcpKey = (portId: string): string => `dhcp:${portId}`;
export const routerKey = (routerId: string): string => `router:${routerId}`;

/** What a port may send. */
export const portSecurity = (port: Port): PortSecurity => ({
  kind: 'port-security',
  portId: port.id,
  networkId: port.networkId,
  enabled: port.portSecurityEnabled,
  mac: port.mac,
  ipAddresses: port.fixedIps.map(({ ipAddress }) => ipAddress),
  allowedAddressPairs: port.allowedAddressPairs,
  revision: port.revision,
});

/** What of a subnet a port in a namespace needs. */
interface Prefix {
  readonly id: Uuid;
  readonly length: number;
  readonly gatewayIp?: IpAddress | undefined;
}

const prefixOf = ({ id, cidr, gatewayIp }: Subnet): Prefix => ({ id, length: cidr.prefixLength, gatewayIp });

/** A port in a namespace, with its addresses in subnets of these prefixes. */
const servedPort = (port: Port, network: Pick<Network, 'mtu'>, prefixes: readonly Prefix[]): ServedPort => {
  const placed = port.fixedIps.flatMap(({ subnetId, ipAddress }) => {
    const prefix = prefixes.find(({ id }) => id === subnetId);
    return prefix === undefined ? [] : [{ prefix, ipAddress }];
  });
  return {
    portId: port.id,
    networkId: port.networkId,
    mac: port.mac,
    mtu: network.mtu,
    addresses: placed.map(({ prefix, ipAddress }) => `${ipAddress}/${prefix.length.toString()}`),
    gatewayIps: placed.flatMap(({ prefix: { gatewayIp } }) => (gatewayIp === undefined ? [] : [gatewayIp])),
  };
};

/** DHCP of a network at one of its ports. `ports`: all of the network, in id order. */
export const dhcpServer = (
  port: Port,
  network: Network,
  {
    subnets,
    ports,
    dnsDomain,
  }: { readonly subnets: readonly Subnet[]; readonly ports: readonly Port[]; readonly dnsDomain: string },
): DhcpServer => {
  const served = subnets.filter(({ enableDhcp }) => enableDhcp);
  return {
    kind: 'dhcp-server',
    port: servedPort(port, network, served.map(prefixOf)),
    generation: port.binding.generation,
    subnets: served,
    hosts: dhcpHosts(ports, new Set(served.map(({ id }) => id))),
    dnsDomain,
  };
};

/** What a router is made of. */
export interface RouterParts {
  /** Those of the router; one that is missing is about to go. */
  readonly ports: ReadonlyMap<Uuid, Port>;
  readonly networks: ReadonlyMap<Uuid, Network>;
  /** Of a network. */
  readonly subnets: (networkId: Uuid) => readonly Subnet[];
  /** Those through the router, in id order. */
  readonly floatingIps: readonly FloatingIp[];
}

/** A router as its host is to have it. */
export const routerInstance = (router: Router, parts: RouterParts): RouterInstance => {
  const serve = (of: RouterPort): readonly ServedPort[] => {
    const [port, network] = [parts.ports.get(of.portId), parts.networks.get(of.networkId)];
    if (port === undefined || network === undefined) return [];
    const known = parts.subnets(of.networkId);
    // The router's own record says what its prefixes are, whether or not ipam has been asked since.
    const prefixes = of.subnets.map(({ id, cidr }): Prefix => {
      const gatewayIp = known.find((subnet) => subnet.id === id)?.gatewayIp;
      return { id, length: parseCidr('cidr', cidr).prefixLength, gatewayIp };
    });
    return [servedPort(port, network, prefixes)];
  };
  const [gateway] = router.gateway === undefined ? [] : serve(router.gateway);
  const inside = new Set(router.interfaces.flatMap(({ subnets }) => subnets.map(({ id }) => id)));
  const networkIds = new Set(router.interfaces.map(({ networkId }) => networkId));
  return {
    kind: 'router',
    routerId: router.id,
    generation: router.placement.generation,
    ...(gateway === undefined ? {} : { gateway }),
    enableSnat: router.gateway?.enableSnat ?? false,
    interfaces: router.interfaces.flatMap(serve),
    subnets: [...networkIds]
      .flatMap((id) => parts.subnets(id).filter((subnet) => inside.has(subnet.id)))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
    routes: router.routes,
    floatingAddresses: parts.floatingIps.flatMap(({ id, floatingAddress, target }) =>
      target?.routerId === router.id ? [{ floatingIpId: id, outside: floatingAddress, inside: target.address }] : [],
    ),
  };
};

/** Ports of topology's own never ask for an address. */
const dhcpHosts = (ports: readonly Port[], subnets: ReadonlySet<Uuid>): readonly DhcpHost[] => {
  const names = new Set<string>();
  return ports
    .filter(({ deviceOwner }) => !isServed(deviceOwner))
    .flatMap((port) => {
      const ipAddresses = port.fixedIps
        .filter(({ subnetId }) => subnets.has(subnetId))
        .map(({ ipAddress }) => ipAddress);
      const [first] = ipAddresses;
      if (first === undefined) return [];
      const label = labelOf(port.name);
      const hostname = label === undefined || names.has(label) ? nameOfAddress(first) : label;
      names.add(hostname);
      return [{ portId: port.id, mac: port.mac, ipAddresses, hostname }];
    });
};

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A name that is a label of a host name (RFC 1123, 2.1), in lower case. */
const labelOf = (name: ResourceName): string | undefined => {
  const label = name.toLowerCase();
  return LABEL.test(label) ? label : undefined;
};

/** `host-172-16-1-3`, `host-2001-db8--5`. */
const nameOfAddress = (ip: IpAddress): string => `host-${ip.replaceAll(/[.:]/g, '-')}`;

/** Whether DHCP is served at this port. */
export const isDhcpPort = ({ deviceOwner }: Pick<Port, 'deviceOwner'>): boolean => deviceOwner === DHCP_OWNER;

import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Mtu } from '#platform/net/mtu.ts';
import type { ResourceName, Uuid } from '#platform/net/names.ts';
import { DHCP_OWNER, isServed } from './device-owner.ts';
import type { Network } from './network.ts';
import type { AddressPair, Port } from './port.ts';
import type { Subnet } from './subnet.ts';

/** What a host has to serve besides forwarding; each is told whole. */
export type Duty = PortSecurity | DhcpServer;

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

/** What no two duties of a host have in common. */
export const dutyKey = (duty: Duty): string => {
  switch (duty.kind) {
    case 'port-security':
      return securityKey(duty.portId);
    case 'dhcp-server':
      return dhcpKey(duty.port.portId);
  }
};

export const securityKey = (portId: string): string => `port:${portId}`;
export const dhcpKey = (portId: string): string => `dhcp:${portId}`;

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

/** A port in a namespace, with its addresses in `subnets`. */
export const servedPort = (port: Port, network: Pick<Network, 'mtu'>, subnets: readonly Subnet[]): ServedPort => {
  const placed = port.fixedIps.flatMap(({ subnetId, ipAddress }) => {
    const subnet = subnets.find(({ id }) => id === subnetId);
    return subnet === undefined ? [] : [{ subnet, ipAddress }];
  });
  return {
    portId: port.id,
    networkId: port.networkId,
    mac: port.mac,
    mtu: network.mtu,
    addresses: placed.map(({ subnet, ipAddress }) => `${ipAddress}/${subnet.cidr.prefixLength.toString()}`),
    gatewayIps: placed.flatMap(({ subnet: { gatewayIp } }) => (gatewayIp === undefined ? [] : [gatewayIp])),
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
    port: servedPort(port, network, served),
    generation: port.binding.generation,
    subnets: served,
    hosts: dhcpHosts(ports, new Set(served.map(({ id }) => id))),
    dnsDomain,
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

import { createHash } from 'node:crypto';
import { Ipv6AddressMode as ModeMessage, type Subnet as SubnetMessage } from '#proto/weft/ipam/v1/ipam.ts';
import { DutyKind, type ServedPort as ServedPortMessage, WatchDutiesResponse } from '#proto/weft/topology/v1/duty.ts';
import type { DutyItem } from '../app/watch-duties.ts';
import type { DhcpServer, Duty, PortSecurity, RouterInstance, ServedPort } from '../domain/duty.ts';
import type { Ipv6AddressMode, Subnet } from '../domain/subnet.ts';
import { pairMessage } from './port-message.ts';

type DutyMessage = NonNullable<WatchDutiesResponse['duty']>;

/** A message about duties. */
export const dutyItemMessage = (item: DutyItem): WatchDutiesResponse => {
  switch (item.kind) {
    case 'snapshot':
      return { kind: DutyKind.DUTY_KIND_SNAPSHOT, duty: dutyMessage(item.duty), trace_context: {} };
    case 'bookmark':
      return { kind: DutyKind.DUTY_KIND_BOOKMARK, trace_context: {} };
    case 'set':
      return { kind: DutyKind.DUTY_KIND_SET, duty: dutyMessage(item.duty), trace_context: { ...item.cause } };
    case 'ended':
      return { kind: DutyKind.DUTY_KIND_ENDED, duty: endedMessage(item.duty), trace_context: { ...item.cause } };
  }
};

/** The same for duties whose messages are the same. */
export const printOfDuty = (duty: Duty): string => {
  const message = { kind: DutyKind.DUTY_KIND_SET, duty: dutyMessage(duty), trace_context: {} };
  return createHash('sha1').update(WatchDutiesResponse.encode(message).finish()).digest('base64');
};

const dutyMessage = (duty: Duty): DutyMessage => {
  switch (duty.kind) {
    case 'port-security':
      return { $case: 'port_security', value: securityMessage(duty) };
    case 'dhcp-server':
      return { $case: 'dhcp_server', value: dhcpMessage(duty) };
    case 'router':
      return { $case: 'router', value: routerMessage(duty) };
  }
};

const securityMessage = (duty: PortSecurity) => ({
  port_id: duty.portId,
  network_id: duty.networkId,
  enabled: duty.enabled,
  mac_address: duty.mac as string,
  ip_addresses: [...duty.ipAddresses],
  allowed_address_pairs: duty.allowedAddressPairs.map(pairMessage),
  revision_number: duty.revision.toString(),
});

const dhcpMessage = (duty: DhcpServer) => ({
  network_id: duty.port.networkId,
  port: servedPortMessage(duty.port),
  generation: duty.generation.toString(),
  subnets: duty.subnets.map(subnetMessage),
  hosts: duty.hosts.map(({ portId, mac, ipAddresses, hostname }) => ({
    port_id: portId,
    mac_address: mac,
    ip_addresses: [...ipAddresses],
    hostname,
  })),
  dns_domain: duty.dnsDomain,
});

const routerMessage = (duty: RouterInstance) => ({
  router_id: duty.routerId,
  generation: duty.generation.toString(),
  ...(duty.gateway === undefined ? {} : { gateway: servedPortMessage(duty.gateway) }),
  enable_snat: duty.enableSnat,
  interfaces: duty.interfaces.map(servedPortMessage),
  subnets: duty.subnets.map(subnetMessage),
  routes: duty.routes.map(({ destination, nexthop }) => ({ destination, nexthop })),
  floating_addresses: duty.floatingAddresses.map(({ floatingIpId, outside, inside }) => ({
    floating_ip_id: floatingIpId,
    floating_ip_address: outside,
    fixed_ip_address: inside,
  })),
});

/** Nothing but what identifies it, and the generation. */
const endedMessage = (duty: Duty): DutyMessage => {
  switch (duty.kind) {
    case 'port-security':
      return {
        $case: 'port_security',
        value: {
          ...{ port_id: duty.portId, network_id: duty.networkId, enabled: false, mac_address: '' },
          ...{ ip_addresses: [], allowed_address_pairs: [], revision_number: duty.revision.toString() },
        },
      };
    case 'dhcp-server': {
      const { portId, networkId } = duty.port;
      const port = { port_id: portId, network_id: networkId, mac_address: '', mtu: 0, addresses: [], gateway_ips: [] };
      return {
        $case: 'dhcp_server',
        value: {
          ...{ network_id: networkId, port, generation: duty.generation.toString() },
          ...{ subnets: [], hosts: [], dns_domain: '' },
        },
      };
    }
    case 'router':
      return {
        $case: 'router',
        value: {
          ...{ router_id: duty.routerId, generation: duty.generation.toString(), enable_snat: false },
          ...{ interfaces: [], subnets: [], routes: [], floating_addresses: [] },
        },
      };
  }
};

const servedPortMessage = (port: ServedPort): ServedPortMessage => ({
  port_id: port.portId,
  network_id: port.networkId,
  mac_address: port.mac,
  mtu: port.mtu,
  addresses: [...port.addresses],
  gateway_ips: [...port.gatewayIps],
});

const subnetMessage = (subnet: Subnet): SubnetMessage => ({
  id: subnet.id,
  network_id: subnet.networkId,
  name: subnet.name,
  cidr: subnet.cidr.text,
  ip_version: subnet.cidr.version,
  gateway_ip: subnet.gatewayIp ?? '',
  allocation_pools: subnet.allocationPools.map(({ start, end }) => ({ start, end })),
  dns_nameservers: [...subnet.dnsNameservers],
  host_routes: subnet.hostRoutes.map(({ destination, nexthop }) => ({ destination, nexthop })),
  enable_dhcp: subnet.enableDhcp,
  etag: '',
  revision_number: subnet.revision.toString(),
  ipv6_address_mode:
    subnet.ipv6AddressMode === undefined ? ModeMessage.IPV6_ADDRESS_MODE_UNSPECIFIED : MODES[subnet.ipv6AddressMode],
});

const MODES = {
  stateful: ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATEFUL,
  stateless: ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATELESS,
  slaac: ModeMessage.IPV6_ADDRESS_MODE_SLAAC,
} as const satisfies Record<Ipv6AddressMode, ModeMessage>;

import { parseCidr } from '#platform/net/cidr.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import { Ipv6AddressMode as ModeMessage, type Subnet as SubnetMessage } from '#proto/weft/ipam/v1/ipam.ts';
import type { Ipv6AddressMode, Subnet } from '../domain/subnet.ts';

/** Reads a subnet as IPAM tells it. Throws `invalid` for what IPAM would never say. */
export const readSubnet = (message: SubnetMessage): Subnet => {
  const cidr = parseCidr('cidr', message.cidr);
  const gatewayIp = message.gateway_ip ?? '';
  return {
    id: parseUuid('id', message.id),
    networkId: parseUuid('network_id', message.network_id),
    name: message.name,
    cidr,
    ...(gatewayIp === '' ? {} : { gatewayIp: parseIp('gateway_ip', gatewayIp) }),
    allocationPools: message.allocation_pools.map(({ start, end }) => ({
      start: parseIp('allocation_pools.start', start),
      end: parseIp('allocation_pools.end', end),
    })),
    dnsNameservers: message.dns_nameservers.map((text) => parseIp('dns_nameservers', text)),
    hostRoutes: message.host_routes.map(({ destination, nexthop }) => ({
      destination: parseCidr('host_routes.destination', destination).text,
      nexthop: parseIp('host_routes.nexthop', nexthop),
    })),
    enableDhcp: message.enable_dhcp ?? true,
    ...(cidr.version === 6 ? { ipv6AddressMode: modeOf(message.ipv6_address_mode) } : {}),
    revision: Number(message.revision_number),
  };
};

const modeOf = (message: ModeMessage): Ipv6AddressMode => {
  switch (message) {
    case ModeMessage.IPV6_ADDRESS_MODE_SLAAC:
      return 'slaac';
    case ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATELESS:
      return 'stateless';
    case ModeMessage.IPV6_ADDRESS_MODE_DHCPV6_STATEFUL:
    case ModeMessage.IPV6_ADDRESS_MODE_UNSPECIFIED:
    case ModeMessage.UNRECOGNIZED:
      return 'stateful';
  }
};

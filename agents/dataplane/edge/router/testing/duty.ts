import { parseCidr } from '#platform/net/cidr.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseUuid } from '#platform/net/names.ts';
import type { FloatingAddress, RoutedSubnet, RouterDuty, StaticRoute } from '../../../model/router-duty.ts';
import type { ServedPort } from '../../../model/served-port.ts';

/** The id that ends with this number; the first 11 characters, which devices are named by, tell it as well. */
export const idOf = (number: number): ReturnType<typeof parseUuid> => {
  const hex = number.toString(16).padStart(8, '0');
  return parseUuid('id', `${hex}-0000-4000-8000-0000${hex}`);
};

/** A port of a network, both by their numbers. */
export const servedPort = (
  number: number,
  network: number,
  addresses: readonly string[],
  more: { readonly mtu?: number; readonly gatewayIps?: readonly string[] } = {},
): ServedPort => ({
  portId: idOf(number),
  networkId: idOf(network),
  mac: parseMac('mac', `fa:16:3e:00:00:${(number & 255).toString(16).padStart(2, '0')}`),
  mtu: more.mtu ?? 1_450,
  addresses,
  gatewayIps: (more.gatewayIps ?? []).map((each) => parseIp('gateway', each)),
});

export const floatingAddress = (number: number, outside: string, inside: string): FloatingAddress => ({
  floatingIpId: idOf(number),
  outside: parseIp('outside', outside),
  inside: parseIp('inside', inside),
});

export const routedSubnet = (
  network: number,
  cidr: string,
  ipv6Mode: RoutedSubnet['ipv6Mode'] = 'dhcpv6-stateful',
  dns: readonly string[] = [],
): RoutedSubnet => ({
  networkId: idOf(network),
  cidr: parseCidr('cidr', cidr),
  ipv6Mode,
  dnsNameservers: dns.map((each) => parseIp('dns', each)),
});

export const staticRoute = (destination: string, nexthop: string): StaticRoute => ({
  destination: parseCidr('destination', destination),
  nexthop: parseIp('nexthop', nexthop),
});

/** A router with a gateway, two networks inside and a floating address, as the pages of the guides have it. */
export const routerDuty = (more: Partial<RouterDuty> = {}): RouterDuty => ({
  routerId: idOf(0xa0),
  generation: 1,
  gateway: servedPort(0x10, 0xe0, ['172.32.0.101/24'], { mtu: 1_500, gatewayIps: ['172.32.0.1'] }),
  enableSnat: true,
  interfaces: [servedPort(0x12, 0xe2, ['172.16.2.1/24']), servedPort(0x11, 0xe1, ['172.16.1.1/24'])],
  subnets: [routedSubnet(0xe1, '172.16.1.0/24'), routedSubnet(0xe2, '172.16.2.0/24')],
  routes: [],
  floating: [floatingAddress(0xf1, '172.32.0.150', '172.16.1.7')],
  ...more,
});

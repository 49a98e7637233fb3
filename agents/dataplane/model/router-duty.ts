import type { Cidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { ServedPort } from './served-port.ts';

/** How guests of an IPv6 subnet get their addresses. */
export type Ipv6Mode = 'dhcpv6-stateful' | 'dhcpv6-stateless' | 'slaac';

/** A subnet that a router has an interface in. */
export interface RoutedSubnet {
  readonly networkId: Uuid;
  readonly cidr: Cidr;
  /** Of IPv6. */
  readonly ipv6Mode: Ipv6Mode;
  readonly dnsNameservers: readonly IpAddress[];
}

/** A static route; the next hop is reached through the interface whose prefix contains it. */
export interface StaticRoute {
  readonly destination: Cidr;
  readonly nexthop: IpAddress;
}

/** An address outside that stands for one inside; both are IPv4. */
export interface FloatingAddress {
  readonly floatingIpId: Uuid;
  readonly outside: IpAddress;
  readonly inside: IpAddress;
}

/** A router that this host serves. */
export interface RouterDuty {
  readonly routerId: Uuid;
  /** Of the binding: of two words about one router the higher one holds. */
  readonly generation: number;
  readonly gateway?: ServedPort;
  readonly enableSnat: boolean;
  readonly interfaces: readonly ServedPort[];
  readonly subnets: readonly RoutedSubnet[];
  readonly routes: readonly StaticRoute[];
  readonly floating: readonly FloatingAddress[];
}

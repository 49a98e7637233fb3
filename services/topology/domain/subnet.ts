import type { Cidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Uuid } from '#platform/net/names.ts';

/** How guests of an IPv6 subnet get their addresses. */
export type Ipv6AddressMode = 'stateful' | 'stateless' | 'slaac';

/** A subnet, as IPAM tells it. */
export interface Subnet {
  readonly id: Uuid;
  readonly networkId: Uuid;
  readonly name: string;
  readonly cidr: Cidr;
  /** Absent: there is none. */
  readonly gatewayIp?: IpAddress;
  readonly allocationPools: readonly { readonly start: IpAddress; readonly end: IpAddress }[];
  readonly dnsNameservers: readonly IpAddress[];
  readonly hostRoutes: readonly { readonly destination: string; readonly nexthop: IpAddress }[];
  readonly enableDhcp: boolean;
  /** Of an IPv6 subnet. */
  readonly ipv6AddressMode?: Ipv6AddressMode;
  /** Grows with each change. */
  readonly revision: number;
}

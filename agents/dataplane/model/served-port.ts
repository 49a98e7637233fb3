import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';

/** A port of a namespace that the agent serves something from: of DHCP, or of a router. */
export interface ServedPort {
  readonly portId: Uuid;
  readonly networkId: Uuid;
  readonly mac: MacAddress;
  /** Of its network. */
  readonly mtu: number;
  /** Each with the prefix length of its subnet, canonical, e.g. `172.16.1.1/24`. */
  readonly addresses: readonly string[];
  /** Gateways of these subnets, where they have one. */
  readonly gatewayIps: readonly IpAddress[];
}

import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { UdpPort } from '#platform/net/udp-port.ts';

/** Where a host takes VXLAN packets. */
export interface Vtep {
  readonly hostId: HostId;
  readonly address: IpAddress;
  readonly udpPort: UdpPort;
}

/** Where one port is: MAC address to VTEP, and IP addresses to MAC address. */
export interface ForwardingEntry {
  readonly portId: Uuid;
  readonly mac: MacAddress;
  readonly ips: readonly IpAddress[];
  readonly vtep: Vtep;
  /** Binding generation: grows with each move of the port. */
  readonly generation: bigint;
}

/** A host as topology knows it. */
export interface Host {
  readonly id: HostId;
  /** Orders what is known of this host. */
  readonly revision: number;
  /** Absent until it has registered. */
  readonly vtep?: Vtep;
  /** Its lease has ended. */
  readonly down: boolean;
}

/** A port as topology knows it, as far as forwarding goes. */
export interface Port {
  readonly id: Uuid;
  readonly networkId: Uuid;
  /** Orders what is known of this port. */
  readonly revision: number;
  readonly mac: MacAddress;
  readonly ips: readonly IpAddress[];
  readonly adminStateUp: boolean;
  /** The host it is bound to. */
  readonly boundTo?: HostId;
  readonly generation: bigint;
  /** Whether it serves the network: stations of IPv6 know routers by their link-local address. */
  readonly serving?: boolean;
}

/** A network as topology knows it, as far as forwarding goes. */
export interface Network {
  readonly id: Uuid;
  readonly revision: number;
  /** Whether it is carried over VXLAN: other types need no forwarding table. Never changes. */
  readonly overlay: boolean;
}

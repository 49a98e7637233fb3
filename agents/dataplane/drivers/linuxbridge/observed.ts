import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { ObservedNetwork } from '../../model/host.ts';
import type { HostInterface, InterfaceRoute } from '../../model/interface.ts';
import type { Destination } from '../../model/rows.ts';

/** What decides whether a link is as it should be. */
export interface ObservedLink {
  readonly name: string;
  readonly alias?: string;
  /** `bridge`, `vxlan`, `veth`, `tun`, …; absent for a physical interface. */
  readonly kind?: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly master?: string;
  /** How it makes its link-local IPv6 address; absent where IPv6 is off. */
  readonly addressGeneration?: string;
  readonly bridge?: BridgeSettings;
  readonly vxlan?: VxlanSettings;
  /** Only of a link in a bridge. */
  readonly port?: BridgePortSettings;
}

export interface BridgeSettings {
  readonly stp: boolean;
  readonly forwardDelay: number;
  readonly multicastSnooping: boolean;
}

export interface VxlanSettings {
  readonly vni: number;
  readonly local?: IpAddress;
  readonly udpPort: number;
  readonly learning: boolean;
  readonly proxy: boolean;
  /** It has a multicast group or a default remote, or takes its VNI from elsewhere: nothing that we make. */
  readonly foreignMode: boolean;
}

export interface BridgePortSettings {
  readonly learning: boolean;
  readonly neighbourSuppression: boolean;
}

/** What of the host's own is where a network meets its physical network. */
export interface ObservedUplink {
  /** The interface that the host's mapping names; undefined when there is none. */
  readonly device: HostInterface | undefined;
  /** Routes by it; read only where its addresses would move. */
  readonly routes: readonly InterfaceRoute[];
  /** Whether the bridge bears addresses of the host: then the host is a station of the network, and not kept off it. */
  readonly isHostsOwn: boolean;
}

/** One network as the kernel has it. */
export interface ObservedBridgeNetwork extends ObservedNetwork {
  /** By name: its bridge and VXLAN device, all links in its bridge, and the devices of its ports; the missing are absent. */
  readonly links: ReadonlyMap<string, ObservedLink>;
  /** Of a network on a physical network. */
  readonly uplink?: ObservedUplink;
  /** The host's own IP stack is kept off the bridge. */
  readonly isolated: boolean;
  /** Rows of the VXLAN device that age or point in ways we never write; a wanted address among them is not there yet. */
  readonly strayFdb: ReadonlySet<MacAddress>;
  /** Flood rows beyond the one that `rows` has for an address. */
  readonly strayFlood: readonly Destination[];
}

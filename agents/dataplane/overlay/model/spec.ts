import type { Cidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Mtu } from '#platform/net/mtu.ts';
import type { DeviceName } from '#platform/net/names.ts';
import type { UdpPort } from '#platform/net/udp-port.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { InterfaceAddress } from './interface-address.ts';
import type { OverlayName } from './names.ts';

/** One host's half of an overlay, parsed; names that were left to the agent are given. */
export interface OverlaySpec {
  readonly name: OverlayName;
  readonly bridge: DeviceName;
  readonly addresses: readonly InterfaceAddress[];
  /** Absent: the tunnels carry VNI 0. */
  readonly vni?: Vni;
  readonly udpPort: UdpPort;
  readonly local?: IpAddress;
  readonly peers: readonly OverlayPeer[];
  /** Absent: what the underlay leaves. */
  readonly mtu?: Mtu;
  readonly links: readonly OverlayLink[];
}

/** A tunnel to another host. */
export interface OverlayPeer {
  readonly device: DeviceName;
  readonly remote: IpAddress;
}

/** A veth pair to a Linux bridge. */
export interface OverlayLink {
  /** The Linux bridge. */
  readonly bridge: DeviceName;
  /** The end in the overlay's bridge. */
  readonly device: DeviceName;
  /** The end in the Linux bridge. */
  readonly peerDevice: DeviceName;
  readonly subnets: readonly Cidr[];
}

/** The same as it was wished: names may be left to the agent. */
export interface OverlayWish extends Omit<OverlaySpec, 'peers' | 'links'> {
  readonly peers: readonly WishedPeer[];
  readonly links: readonly WishedLink[];
}

export interface WishedPeer extends Omit<OverlayPeer, 'device'> {
  readonly device?: DeviceName;
}

export interface WishedLink extends Omit<OverlayLink, 'device' | 'peerDevice'> {
  readonly device?: DeviceName;
  readonly peerDevice?: DeviceName;
}

/** What the agent remembers of an overlay. */
export interface OverlayRecord {
  readonly spec: OverlaySpec;
  /** Addresses of earlier versions that may still be on the bridge. */
  readonly retired: readonly InterfaceAddress[];
  /** The MTU that the underlay last left, for when it cannot be asked. */
  readonly lastMtu?: number;
  /** It is being taken away. */
  readonly deleting: boolean;
}

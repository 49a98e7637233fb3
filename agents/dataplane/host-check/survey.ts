import type { Cidr } from '#platform/net/cidr.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { HostLink, OvsBridge, OvsPort, Route } from '../overlay/model/observed.ts';
import type { OverlaySpec } from '../overlay/model/spec.ts';

/** Another VTEP. */
export interface Peer {
  readonly address: IpAddress;
  /** Who says so: a host of the control plane, an overlay, the request. */
  readonly from: string;
  /** Where it takes VXLAN, when known. */
  readonly udpPort?: number;
  /** What its agent told of its underlay, when known. */
  readonly underlayMtu?: number;
}

/** An MTU that the underlay must carry, with what VXLAN adds. */
export interface MtuDemand {
  /** `network 5f3c…` or `overlay docker`. */
  readonly what: string;
  readonly mtu: number;
  /** This host has it now; else it may come with a port. */
  readonly held: boolean;
}

/** Open vSwitch as its database has it. */
export interface SwitchFacts {
  readonly bridges: ReadonlyMap<string, OvsBridge>;
  readonly ports: ReadonlyMap<string, OvsPort>;
  /** The datapath types that ovs-vswitchd offers; none before it has run. */
  readonly datapathTypes: readonly string[];
  readonly version?: string;
}

/** What all checks know of the host; read once for one look. */
export interface Survey {
  /** The dataplane of the control plane's networks; absent where the agent stands alone. */
  readonly driver?: 'linuxbridge' | 'ovs';
  /** Its address on the underlay; absent where the agent stands alone. */
  readonly vtep?: IpAddress;
  readonly overlays: readonly OverlaySpec[];
  /** Networks of overlays that somebody asks about besides. */
  readonly networks: readonly Cidr[];
  readonly peers: readonly Peer[];
  readonly demands: readonly MtuDemand[];
  /** Where this host takes VXLAN. */
  readonly udpPorts: readonly number[];
  readonly links: ReadonlyMap<string, HostLink>;
  /** The way to each peer; absent where there is none. */
  readonly routes: ReadonlyMap<IpAddress, Route>;
  /** Devices of the underlay: those that bear a VTEP address or lead to a peer. */
  readonly underlay: readonly string[];
  /** Absent while Open vSwitch cannot be asked. */
  readonly ovs?: SwitchFacts;
  /** Whether Open vSwitch has something to do here. */
  readonly needsOvs: boolean;
  /** Whether VXLAN passes the kernel's IP stack, with its firewall and its routes; the userspace datapath goes around it. */
  readonly kernelTunnels: boolean;
}

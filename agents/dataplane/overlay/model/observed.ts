import type { IpAddress } from '#platform/net/ip-address.ts';
import type { InterfaceAddress } from './interface-address.ts';

/** An address that a device has. */
export interface HostAddress extends InterfaceAddress {
  /** It goes along with the first address of its network, unless the kernel promotes it. */
  readonly secondary: boolean;
}

/** A network device as the kernel has it. */
export interface HostLink {
  readonly name: string;
  /** `bridge`, `veth`, `vlan`, `tun`, …; absent for a physical interface. */
  readonly kind?: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly master?: string;
  readonly alias?: string;
  /** The other end of a veth pair, or the device that a VLAN or macvlan is on; absent when that is in another namespace. */
  readonly link?: string;
  /** Without those that the kernel makes of the MAC address. */
  readonly addresses: readonly HostAddress[];
}

/** A bridge of Open vSwitch. */
export interface OvsBridge {
  readonly name: string;
  /** As the database has it: empty means `system`. */
  readonly datapathType: string;
  /** Empty means `standalone`. */
  readonly failMode: string;
  /** The overlay it was made for, by its mark. */
  readonly overlay?: string;
}

/** A port of a bridge of Open vSwitch with its interface; of a bond the first one. */
export interface OvsPort {
  readonly name: string;
  readonly bridge: string;
  readonly overlay?: string;
  /** Nothing passes between it and other protected ports. */
  readonly isProtected: boolean;
  /** Of its interface: empty for a device of the host, `internal`, `vxlan`, `patch`, … */
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
  readonly mtuRequest?: number;
  /** Why ovs-vswitchd could not make it. */
  readonly error?: string;
}

/** The way to an address, as the kernel routes. */
export interface Route {
  readonly device: string;
  /** Bytes of the largest IP packet that goes this way. */
  readonly mtu: number;
  /** The address is one of this host's own. */
  readonly isLocal: boolean;
  /** Of the routing table's entry that leads there; only where it was asked for. */
  readonly prefixLength?: number;
}

/** What a plan needs to know of the host. */
export interface ObservedHost {
  readonly links: ReadonlyMap<string, HostLink>;
  readonly bridges: ReadonlyMap<string, OvsBridge>;
  readonly ports: ReadonlyMap<string, OvsPort>;
  /** The datapath types that ovs-vswitchd offers; none before it has run. */
  readonly datapathTypes: readonly string[];
  /** The way to each peer; absent where there is none. */
  readonly routes: ReadonlyMap<IpAddress, Route>;
  /** Ends in Linux bridges whose checksums are left to hardware that is not there; absent where it was not asked for. */
  readonly txChecksum: ReadonlyMap<string, boolean>;
}

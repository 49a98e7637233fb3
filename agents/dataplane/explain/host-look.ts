/** A device of the host, or of a namespace of it. */
export interface HostDevice {
  readonly name: string;
  readonly index: number;
  /** Empty: the host's. */
  readonly namespace: string;
  /** `bridge`, `vxlan`, `veth`, `tun`, …; absent for a physical interface. */
  readonly kind?: string;
  readonly alias?: string;
  readonly mac?: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly master?: string;
  /** Of a pair: the number of the other end, in its own namespace. */
  readonly peerIndex?: number;
  /** Of a pair within one namespace: the other end. Of a VLAN: the device below. */
  readonly lower?: string;
  readonly addresses: readonly string[];
  readonly vxlan?: { readonly vni: number; readonly udpPort: number; readonly local?: string };
  readonly vlan?: number;
}

/** A network namespace that has a name. */
export interface HostNamespace {
  readonly name: string;
  readonly routes: readonly string[];
  readonly processes: readonly HostProcess[];
}

export interface HostProcess {
  readonly pid: number;
  readonly argv: readonly string[];
}

/** A table of nftables. */
export interface HostTable {
  readonly namespace: string;
  readonly family: string;
  readonly name: string;
  readonly chains: readonly string[];
}

/** A bridge of Open vSwitch. */
export interface SwitchBridge {
  readonly name: string;
  readonly ids: ReadonlyMap<string, string>;
  readonly ports: readonly SwitchPort[];
}

export interface SwitchPort {
  readonly name: string;
  /** Of its interface: ``, `internal`, `vxlan`, `patch`, … */
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
  readonly tag?: number;
  /** Of port and interface, the port's first. */
  readonly ids: ReadonlyMap<string, string>;
}

/** What a look at the host showed. */
export interface HostLook {
  readonly time: Date;
  readonly devices: readonly HostDevice[];
  readonly namespaces: readonly HostNamespace[];
  readonly tables: readonly HostTable[];
  readonly bridges: readonly SwitchBridge[];
  /** Where each VXLAN device of the kernel sends what it has no row for. */
  readonly flood: ReadonlyMap<string, readonly string[]>;
}

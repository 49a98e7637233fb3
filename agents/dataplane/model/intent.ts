import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Vni } from '#platform/net/vni.ts';
import type { PortSecurity } from './port-security.ts';

/** A VXLAN tunnel endpoint of the underlay. */
export interface Vtep {
  readonly hostId: string;
  readonly address: IpAddress;
  readonly udpPort: number;
}

/** Where one port of a network is, as l2pop says; ports of this host included. */
export interface ForwardingEntry {
  readonly portId: string;
  readonly mac: MacAddress;
  readonly ips: readonly IpAddress[];
  readonly vtep: Vtep;
  /** Binding generation: of two claims about one port the higher one holds. */
  readonly generation: bigint;
}

/** One change of l2pop's table, as it arrives. */
export type EntryChange =
  | { readonly kind: 'set'; readonly entry: ForwardingEntry }
  | { readonly kind: 'removed'; readonly entry: ForwardingEntry };

/** A port that has a device on this host. */
export interface LocalPort {
  readonly portId: string;
  readonly device: string;
  readonly mac: MacAddress;
  readonly ips: readonly IpAddress[];
  readonly generation: bigint;
  /** What it may send. */
  readonly security: PortSecurity;
}

/** What is fixed about a network while a host holds it. */
export interface NetworkFacts {
  readonly networkId: Uuid;
  /** By which flows and marks know it; where it has no VNI, a number above all VNIs that stands for one. */
  readonly vni: Vni;
  readonly mtu: number;
  /** How a flat or vlan network reaches its physical network; absent where VXLAN carries it. */
  readonly provider?: ProviderSegment | undefined;
}

/** A way to a physical network. Where its stations are is learnt from what they send: l2pop has no table of it. */
export interface ProviderSegment {
  readonly physicalNetwork: string;
  /** What this host's mapping names: an interface, or with Open vSwitch an interface or a bridge. */
  readonly device: string;
  /** The tag of its frames there (IEEE 802.1Q); untagged without. */
  readonly vlan?: number | undefined;
}

/** All that this host should hold of one network. */
export interface NetworkIntent extends NetworkFacts {
  /** Ports with a device here, by port id. */
  readonly ports: ReadonlyMap<string, LocalPort>;
  /** l2pop's table, by port id. */
  readonly entries: ReadonlyMap<string, ForwardingEntry>;
  /** VTEPs of other hosts that have ports of it, from `entries`: its flood list, by underlay address. */
  readonly remoteVteps: ReadonlyMap<IpAddress, Vtep>;
  /** VTEPs added to the flood list by hand. */
  readonly manualFlood: ReadonlySet<IpAddress>;
  /**
   * The ports whose entry or plugged port has this MAC or IP address, where the table keeps count; without it they are
   * looked for among all of them.
   */
  claimants?(address: MacAddress | IpAddress): Iterable<string>;
}

/** A port as one network holds it: what l2pop says and what is plugged here. */
export interface PortView {
  readonly entry?: ForwardingEntry;
  readonly local?: LocalPort;
  /** Tells one plugging from the next, where that is counted: what changes without it is the same device, never let go. */
  readonly plugging?: number;
}

/**
 * What changed between two states of one network's intent, so that the steps need not look at all of it. The same port
 * stands in it once, however often it changed.
 */
export interface NetworkChange {
  readonly ports: ReadonlyMap<string, { readonly before: PortView; readonly after: PortView }>;
  /** Destinations new in, or gone from, remoteVteps or manualFlood together. */
  readonly floodAdded: readonly Vtep[];
  readonly floodRemoved: readonly Vtep[];
}

/** What is the same for all networks of this host. */
export interface HostIdentity {
  readonly hostId: string;
  readonly vtep: Vtep;
}

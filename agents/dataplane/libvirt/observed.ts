/** What a definition of a network says, as far as it matters here. */
export interface NetworkDefinition {
  readonly uuid: string;
  /** `isolated` where there is no forwarding at all. */
  readonly forward: string;
  readonly bridge: string;
  /** Of the network as a whole. */
  readonly virtualPort: string | undefined;
}

/** A network as libvirt has it. */
export interface ObservedNetwork {
  readonly name: string;
  /** What is defined; undefined for one that ends when it is stopped. */
  readonly defined: NetworkDefinition | undefined;
  /** What is in force; undefined for one that is not started. */
  readonly active: NetworkDefinition | undefined;
  readonly autostart: boolean;
}

/** A network card of a running machine, as libvirt has it. */
export interface MachineCard {
  readonly domain: string;
  readonly domainUuid: string;
  /** The host's side, e.g. vnet0. */
  readonly device: string;
  readonly mac: string;
  /** The libvirt network that it came by. */
  readonly network: string | undefined;
  readonly bridge: string | undefined;
  /** As Open vSwitch is told. */
  readonly interfaceId: string | undefined;
}

/** The bridges of a host, of both kinds, and all its devices. */
export interface HostBridges {
  /** Names of Open vSwitch' bridges. */
  readonly openvswitch: ReadonlySet<string>;
  /** Names of the kernel's bridges. */
  readonly kernel: ReadonlySet<string>;
  /** MTU of every device of the kernel, by name. */
  readonly devices: ReadonlyMap<string, number>;
}

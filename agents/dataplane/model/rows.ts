import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';

/** Where the VXLAN device sends a MAC address: an underlay address, and a UDP port where it is not the device's own. */
export interface Destination {
  readonly address: IpAddress;
  readonly udpPort: number;
}

/**
 * The rows one network needs in a kernel, free of who wants them: what is compared between desire and observation.
 * All keys are canonical, so that equal means equal.
 */
export interface Rows {
  /** FDB of the VXLAN device: MAC address → VTEP. */
  readonly fdb: ReadonlyMap<MacAddress, Destination>;
  /** FDB of the bridge: MAC address → bridge port, so that nothing is learned and nothing known is flooded. */
  readonly bridgeFdb: ReadonlyMap<MacAddress, string>;
  /** Permanent neighbours of the VXLAN device, from which it answers ARP and ND (`proxy`). */
  readonly neighbours: ReadonlyMap<IpAddress, MacAddress>;
  /** Head-end replication: the all-zero FDB rows of the VXLAN device. */
  readonly flood: ReadonlyMap<IpAddress, Destination>;
}

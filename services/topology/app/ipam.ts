import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { FixedIp, Port } from '../domain/port.ts';
import type { Segment } from '../domain/network.ts';
import type { Subnet } from '../domain/subnet.ts';

/** For whom something is taken. Addresses of a port for DHCP are no reason to keep a subnet. */
export type PortOwner = Pick<Port, 'id' | 'networkId'> & Partial<Pick<Port, 'deviceOwner'>>;

/** An address asked for; what is absent is IPAM's choice. */
export interface FixedIpWish {
  readonly subnetId?: Uuid;
  readonly ipAddress?: IpAddress;
}

/** Whether a call is to take something, or only to say whether it could be taken. */
export interface Earnest {
  readonly validateOnly: boolean;
}

/**
 * Who hands out addresses and segments, each to one owner. Every call is idempotent by owner; releasing what is not held
 * is no error. All throw the DomainErrors of IPAM, with field paths of this service's own requests; `unavailable` when it
 * cannot be reached.
 */
export interface Ipam {
  /** The MAC address `wish`, or one of IPAM's choice, for a port of a network. */
  allocateMac(port: PortOwner, wish: MacAddress | undefined, how: Earnest, signal: AbortSignal): Promise<MacAddress>;
  /** The addresses wished for, or one of each IP version that the network has subnets of. */
  allocateAddresses(
    port: PortOwner,
    wishes: readonly FixedIpWish[],
    how: Earnest,
    signal: AbortSignal,
  ): Promise<readonly FixedIp[]>;
  /** All addresses and the MAC address of a port. */
  releasePort(port: PortOwner, signal: AbortSignal): Promise<void>;
  /** The segmentation id wished for, or (0) the next free one; of VXLAN and VLAN. */
  allocateSegment(networkId: Uuid, wish: Segment, how: Earnest, signal: AbortSignal): Promise<number>;
  releaseSegment(networkId: Uuid, signal: AbortSignal): Promise<void>;
  /** Whether the network has any subnet. */
  hasSubnets(networkId: Uuid, signal: AbortSignal): Promise<boolean>;
  /** Throws `not_found`. */
  getSubnet(id: Uuid, signal: AbortSignal): Promise<Subnet>;
  /** All subnets of a network, or of all networks, in id order. */
  listSubnets(networkId: Uuid | undefined, signal: AbortSignal): Promise<readonly Subnet[]>;
}

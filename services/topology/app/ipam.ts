import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { FixedIp } from '../domain/port.ts';
import type { Segment } from '../domain/network.ts';

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
  allocateMac(
    port: { readonly networkId: Uuid; readonly id: Uuid },
    wish: MacAddress | undefined,
    how: Earnest,
    signal: AbortSignal,
  ): Promise<MacAddress>;
  /** The addresses wished for, or one of each IP version that the network has subnets of. */
  allocateAddresses(
    port: { readonly networkId: Uuid; readonly id: Uuid },
    wishes: readonly FixedIpWish[],
    how: Earnest,
    signal: AbortSignal,
  ): Promise<readonly FixedIp[]>;
  /** All addresses and the MAC address of a port. */
  releasePort(port: { readonly networkId: Uuid; readonly id: Uuid }, signal: AbortSignal): Promise<void>;
  /** The segmentation id wished for, or (0) the next free one; of VXLAN and VLAN. */
  allocateSegment(networkId: Uuid, wish: Segment, how: Earnest, signal: AbortSignal): Promise<number>;
  releaseSegment(networkId: Uuid, signal: AbortSignal): Promise<void>;
  /** Whether the network has any subnet. */
  hasSubnets(networkId: Uuid, signal: AbortSignal): Promise<boolean>;
}

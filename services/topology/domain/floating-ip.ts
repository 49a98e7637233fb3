import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Lifetime } from './lifetime.ts';

/** Where a floating IP leads. */
export interface FloatingTarget {
  readonly portId: Uuid;
  /** Of the address below. */
  readonly subnetId: Uuid;
  /** Which of the port's IPv4 addresses. */
  readonly address: IpAddress;
  /** The router that translates: one with its gateway on the floating IP's network and an interface on the port's subnet. */
  readonly routerId: Uuid;
}

/** An address of an external network that leads to a port inside, one to one. */
export interface FloatingIp extends Lifetime {
  readonly id: Uuid;
  /** The external one. */
  readonly floatingNetworkId: Uuid;
  /** IPv4. */
  readonly floatingAddress: IpAddress;
  /** The port, bound nowhere, that holds the address. */
  readonly holdingPortId: Uuid;
  /** Absent: it leads nowhere. */
  readonly target?: FloatingTarget;
}

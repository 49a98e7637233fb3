import type { MacAddress } from '#platform/net/mac-address.ts';

/** An interface of the host and what of the host's own is bound to it. */
export interface HostInterface {
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly mac?: MacAddress;
  /** The bridge it is in. */
  readonly master?: string;
  /** The host's own addresses; those that the kernel makes up by itself (IPv6 link-local) are none. */
  readonly addresses: readonly InterfaceAddress[];
}

/** An address with its prefix length, and the words by which `ip address add` makes it again as it is. */
export interface InterfaceAddress {
  readonly address: string;
  readonly words: readonly string[];
}

/** The words by which `ip route replace` makes a route again, but for the device. */
export interface InterfaceRoute {
  readonly words: readonly string[];
}

import type { Uuid } from '#platform/net/names.ts';

/** Networks of the mesh, for libvirt networks that lead into them. */
export interface MeshNetworks {
  /** Whether their bridges are of Open vSwitch. */
  readonly openvswitch: boolean;
  /** Says before anything is held that a network shall stay on this host, also without ports. */
  pin(networkId: Uuid): void;
  /** The bridge of a network, whether or not it is on this host. Throws `not_found`, `unavailable`, `precondition`. */
  bridgeOf(networkId: Uuid, signal: AbortSignal): Promise<string>;
  /** The MTU of a network that is on this host. */
  mtuOf(networkId: Uuid): number | undefined;
  /** As `pin`; resolves when the bridge is on this host. Throws as `bridgeOf`. */
  hold(networkId: Uuid, signal: AbortSignal): Promise<void>;
  /** Lets it go with its last port. */
  release(networkId: Uuid): Promise<void>;
}

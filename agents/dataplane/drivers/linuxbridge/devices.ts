import { bridgeName, vxlanName } from '#platform/net/names.ts';
import type { DeviceName } from '#platform/net/names.ts';
import type { NetworkFacts } from '../../model/intent.ts';

/** The names of a network's two devices on a host. */
export const devicesOf = (
  network: NetworkFacts,
): {
  readonly bridge: DeviceName;
  readonly vxlan: DeviceName;
  /** The port of the bridge that leads to all other hosts: the VXLAN device, or what leads to the physical network. */
  readonly uplink: string;
} => {
  const vxlan = vxlanName(network.vni);
  return {
    bridge: bridgeName(network.networkId),
    vxlan,
    uplink: network.provider === undefined ? vxlan : uplinkName(network.provider),
  };
};

/** The interface of a flat network, or the sub-interface of it that has the tag of a vlan network. */
export const uplinkName = ({ device, vlan }: NonNullable<NetworkFacts['provider']>): string =>
  vlan === undefined ? device : `${device}.${vlan.toString()}`;

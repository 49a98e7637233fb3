import { bridgeName, vxlanName } from '#platform/net/names.ts';
import type { DeviceName } from '#platform/net/names.ts';
import type { NetworkFacts } from '../../model/intent.ts';

/** The names of a network's two devices on a host. */
export const devicesOf = (network: NetworkFacts): { readonly bridge: DeviceName; readonly vxlan: DeviceName } => ({
  bridge: bridgeName(network.networkId),
  vxlan: vxlanName(network.vni),
});

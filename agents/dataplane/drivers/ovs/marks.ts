import { parseVni } from '#platform/net/vni.ts';
import type { Vni } from '#platform/net/vni.ts';
import { isNumberWithoutVni } from '../../plan/segment.ts';

/** Keys of `external_ids` by which the agent knows its own. On the bridge: whose it is. */
export const BRIDGE_MARK = 'weft-host';
/** On a Port that the agent added: the port, and the network it is for. */
export const PORT_OF_PORT = 'weft-port';
export const NETWORK_OF_PORT = 'weft-network';
/** The interface index of its device: one that was made anew under the same name has another. */
export const INDEX_OF_PORT = 'weft-ifindex';
/** On the Port of a tunnel. */
export const TUNNEL_MARK = 'weft-tunnel';

/** On the Port of a patch between bridges, and on that of an interface that leads to a physical network. */
export const UPLINK_MARK = 'weft-uplink';

const NETWORK = 'weft-vni-';
const PHYSICAL = 'weft-physnet-';

/** On the bridge: the network that has a VNI. Flows tell only the VNI. */
export const networkMark = (vni: Vni): string => `${NETWORK}${vni.toString()}`;

/** On the bridge: the physical network that a network is on, by the number that stands for its VNI. */
export const physicalMark = (vni: Vni): string => `${PHYSICAL}${vni.toString()}`;

/** The number of the network that such a mark is about; undefined for other keys. */
export const numberOfPhysicalMark = (key: string): Vni | undefined =>
  key.startsWith(PHYSICAL) ? (Number(key.slice(PHYSICAL.length)) as Vni) : undefined;

/** The VNI of a key of the bridge's; undefined for other keys. */
export const vniOfMark = (key: string): Vni | undefined => {
  if (!key.startsWith(NETWORK)) return undefined;
  const vni = Number(key.slice(NETWORK.length));
  return isNumberWithoutVni(vni) ? (vni as Vni) : parseVni(key, vni);
};

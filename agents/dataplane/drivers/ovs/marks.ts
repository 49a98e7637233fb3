import type { Vni } from '#platform/net/vni.ts';

/** Keys of `external_ids` by which the agent knows its own. On the bridge: whose it is. */
export const BRIDGE_MARK = 'weft-host';
/** On a Port that the agent added: the port, and the network it is for. */
export const PORT_OF_PORT = 'weft-port';
export const NETWORK_OF_PORT = 'weft-network';
/** The interface index of its device: one that was made anew under the same name has another. */
export const INDEX_OF_PORT = 'weft-ifindex';
/** On the Port of a tunnel. */
export const TUNNEL_MARK = 'weft-tunnel';

const NETWORK = 'weft-vni-';

/** On the bridge: the network that has a VNI. Flows tell only the VNI. */
export const networkMark = (vni: Vni): string => `${NETWORK}${vni.toString()}`;

/** The VNI of a key of the bridge's; undefined for other keys. */
export const vniOfMark = (key: string): number | undefined =>
  key.startsWith(NETWORK) ? Number(key.slice(NETWORK.length)) : undefined;

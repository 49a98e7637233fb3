import type { Uuid } from '#platform/net/names.ts';

const NETWORK = /^weft:network:(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const PORT = 'weft:port:';

/** The link alias of a bridge or VXLAN device that the agent made: how a fresh agent knows that it is ours. */
export const networkMark = (networkId: Uuid): string => `weft:network:${networkId}`;

/** The link alias of a device that the agent put into a bridge; the device itself is somebody else's. */
export const portMark = (portId: string): string => `${PORT}${portId}`;

/** The network that a link alias names, undefined when it is not a mark of ours. */
export const markedNetwork = (alias: string | undefined): Uuid | undefined =>
  alias === undefined ? undefined : (NETWORK.exec(alias)?.groups?.['id'] as Uuid | undefined);

/** Whether the agent put this device into the bridge it is in. */
export const isMarkedPort = (alias: string | undefined): boolean => alias?.startsWith(PORT) === true;

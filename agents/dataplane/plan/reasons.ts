import type { NetworkIntent } from '../model/intent.ts';
import type { Destination } from '../model/rows.ts';
import type { Holding } from './claims.ts';

/** Why frames for a port go where they go. */
export const whereabouts = ({ portId, at }: Holding): string =>
  'device' in at ? `port ${portId} is ${at.device} on this host` : `port ${portId} is on host ${at.vtep.hostId}`;

/** Why an address is in the flood list. */
export const floodReason = (intent: NetworkIntent, { address }: Destination): string => {
  const vtep = intent.remoteVteps.get(address);
  return vtep === undefined
    ? `${address} was added to the flood list by hand`
    : `host ${vtep.hostId} has ports of the network`;
};

/** Why something that a port had is no longer needed. */
export const goneReason = (before: Holding | undefined, after: Holding | undefined): string => {
  const port = before?.portId ?? 'unknown';
  if (after === undefined) return `port ${port} is gone`;
  if (after.portId !== port) return `port ${after.portId} has it now, not port ${port}`;
  return 'device' in after.at
    ? `port ${port} is on this host now`
    : `port ${port} is on host ${after.at.vtep.hostId} now`;
};

import type { HostIdentity, NetworkChange, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import type { Destination, Rows } from '../../model/rows.ts';
import { changedClaims, claimsOf } from '../../plan/claims.ts';
import { devicesOfChange, isPluggedAnew } from '../../plan/changes.ts';
import { floodReason, goneReason } from '../../plan/reasons.ts';
import { devicesOf } from './devices.ts';
import type { ObservedBridgeNetwork } from './observed.ts';
import { rowOperations } from './operations.ts';
import type { RowOperations } from './operations.ts';
import { bridgePortOf, destinationOf, floodDestination, neighbourOf, wantedRows } from '../../plan/wanted-rows.ts';

/** Steps about rows in the order they are done: what carries traffic, then what floods, then what is no longer needed. */
export interface RowPlan {
  readonly additions: readonly Operation[];
  readonly flood: readonly Operation[];
  readonly deletions: readonly Operation[];
}

const NO_ROWS: Rows = { fdb: new Map(), bridgeFdb: new Map(), neighbours: new Map(), flood: new Map() };

/** Which tables are empty, whatever was observed, because their device is made anew or its port leaves the bridge. */
export interface Emptied {
  readonly bridge: boolean;
  readonly vxlan: boolean;
}

/** Wanted minus observed. */
export const planRows = (
  host: HostIdentity,
  intent: NetworkIntent,
  observed: ObservedBridgeNetwork,
  emptied: Emptied,
): RowPlan => {
  const claims = claimsOf(host, intent);
  const { vxlan } = devicesOf(intent);
  const wanted = wantedRows(host, intent, vxlan, claims);
  const steps = rowOperations(intent, host.vtep.udpPort);
  const there = rowsAfterLinks(observed, emptied, vxlan);
  const present = (device: string): boolean => device === vxlan || observed.links.has(device);

  const additions: Operation[] = [];
  for (const [mac, holding] of claims.macs) {
    const to = wanted.fdb.get(mac);
    const bridgePort = wanted.bridgeFdb.get(mac);
    const bridgeIsRight = there.bridgeFdb.get(mac) === bridgePort;
    if (to !== undefined) {
      const isThere = sameDestination(there.fdb.get(mac), to);
      if (!isThere && isLocal(there.bridgeFdb.get(mac), vxlan)) additions.push(steps.replaceFdbAhead(mac, to, holding));
      if (!bridgeIsRight || !isThere) additions.push(steps.replaceFdb(mac, to, holding));
    } else if (bridgePort !== undefined && !bridgeIsRight && present(bridgePort)) {
      additions.push(steps.replaceBridgeFdb(mac, bridgePort, holding));
    }
  }
  for (const [ip, holding] of claims.ips) {
    const mac = wanted.neighbours.get(ip);
    if (mac !== undefined && there.neighbours.get(ip) !== mac) additions.push(steps.replaceNeighbour(ip, mac, holding));
  }
  const flood = [...wanted.flood.values()]
    .filter((to) => !sameDestination(there.flood.get(to.address), to) && !isAmong(observed.strayFlood, to, emptied))
    .map((to) => steps.appendFlood(to, floodReason(intent, to)));
  return { additions, flood, deletions: planDeletions(intent, observed, emptied, wanted, there, steps) };
};

const planDeletions = (
  intent: NetworkIntent,
  observed: ObservedBridgeNetwork,
  emptied: Emptied,
  wanted: Rows,
  there: Rows,
  steps: RowOperations,
): readonly Operation[] => {
  const { vxlan } = devicesOf(intent);
  const reason = `nothing of network ${intent.networkId} needs it`;
  const deletions: Operation[] = [];
  for (const mac of there.fdb.keys()) if (!wanted.fdb.has(mac)) deletions.push(steps.deleteFdb(mac, reason));
  const devices = new Set([...intent.ports.values()].map(({ device }) => device));
  for (const [mac, device] of there.bridgeFdb) {
    // Rows of what leaves the bridge go with it, rows of what somebody else put into it are theirs.
    const isOurs = device === vxlan || devices.has(device);
    if (isOurs && !wanted.bridgeFdb.has(mac)) deletions.push(steps.deleteBridgeFdb(mac, device, reason));
  }
  for (const ip of there.neighbours.keys())
    if (!wanted.neighbours.has(ip)) deletions.push(steps.deleteNeighbour(ip, reason));
  for (const to of there.flood.values()) {
    if (!sameDestination(wanted.flood.get(to.address), to)) deletions.push(steps.deleteFlood(to, reason));
  }
  if (emptied.vxlan) return deletions;
  for (const mac of observed.strayFdb) if (!wanted.fdb.has(mac)) deletions.push(steps.deleteFdb(mac, reason));
  for (const to of observed.strayFlood) {
    if (!sameDestination(wanted.flood.get(to.address), to)) deletions.push(steps.deleteFlood(to, reason));
  }
  return deletions;
};

/** The observed rows less those that go with a link that the plan makes anew. */
const rowsAfterLinks = (observed: ObservedBridgeNetwork, emptied: Emptied, vxlan: string): Rows => {
  const bridgeFdb = new Map(
    emptied.bridge ? [] : [...observed.rows.bridgeFdb].filter(([, device]) => device !== vxlan || !emptied.vxlan),
  );
  return { ...(emptied.vxlan ? NO_ROWS : observed.rows), bridgeFdb };
};

/** The steps for a change, whose state before it the kernel holds. */
export const planChangedRows = (host: HostIdentity, intent: NetworkIntent, change: NetworkChange): RowPlan => {
  const { vxlan } = devicesOf(intent);
  const steps = rowOperations(intent, host.vtep.udpPort);
  const { macs, ips } = changedClaims(host, intent, change);
  const { leaving } = devicesOfChange(change);
  const additions: Operation[] = [];
  const deletions: Operation[] = [];
  for (const [mac, { before, after }] of macs) {
    const from = destinationOf(before);
    const to = destinationOf(after);
    const oldPort = bridgePortOf(before, vxlan);
    const newPort = bridgePortOf(after, vxlan);
    if (after !== undefined && to !== undefined) {
      if (sameDestination(from, to)) continue;
      if (isLocal(oldPort, vxlan)) additions.push(steps.replaceFdbAhead(mac, to, after));
      additions.push(steps.replaceFdb(mac, to, after));
      continue;
    }
    if (after !== undefined && newPort !== undefined && (newPort !== oldPort || isPluggedAnew(change, after.portId))) {
      additions.push(steps.replaceBridgeFdb(mac, newPort, after));
    }
    if (from !== undefined) deletions.push(steps.deleteFdb(mac, goneReason(before, after), before?.portId));
    // The bridge's row of a device that leaves goes with it.
    if (oldPort !== undefined && newPort === undefined && !leaving.has(oldPort)) {
      deletions.push(steps.deleteBridgeFdb(mac, oldPort, goneReason(before, after), before?.portId));
    }
  }
  for (const [ip, { before, after }] of ips) {
    const from = neighbourOf(ip, before, intent.mtu);
    const to = neighbourOf(ip, after, intent.mtu);
    if (after !== undefined && to !== undefined && to !== from) additions.push(steps.replaceNeighbour(ip, to, after));
    if (from !== undefined && to === undefined) {
      deletions.push(steps.deleteNeighbour(ip, goneReason(before, after), before?.portId));
    }
  }
  const flood: Operation[] = [];
  for (const { address, udpPort } of change.floodAdded) {
    const to = floodDestination(host, intent, address);
    if (to?.udpPort === udpPort) flood.push(steps.appendFlood(to, floodReason(intent, to)));
  }
  for (const { address, udpPort } of change.floodRemoved) {
    const to = { address, udpPort };
    if (address === host.vtep.address || sameDestination(floodDestination(host, intent, address), to)) continue;
    deletions.push(steps.deleteFlood(to, `no port of network ${intent.networkId} is at ${address}`));
  }
  return { additions, flood, deletions };
};

/** Whether the bridge sends what is for an address to a device of this host. */
const isLocal = (bridgePort: string | undefined, vxlan: string): boolean =>
  bridgePort !== undefined && bridgePort !== vxlan;

const sameDestination = (a: Destination | undefined, b: Destination | undefined): boolean =>
  a?.address === b?.address && a?.udpPort === b?.udpPort;

const isAmong = (strays: readonly Destination[], to: Destination, emptied: Emptied): boolean =>
  !emptied.vxlan && strays.some((stray) => sameDestination(stray, to));

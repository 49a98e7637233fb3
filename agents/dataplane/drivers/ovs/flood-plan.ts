import type { IpAddress } from '#platform/net/ip-address.ts';
import type { HostIdentity, NetworkChange, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import type { Destination } from '../../model/rows.ts';
import { isPluggedAnew } from '../../plan/changes.ts';
import { floodDestination } from '../../plan/wanted-rows.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey } from './flow-text.ts';
import { networkFlows } from './flows.ts';
import type { FlowUplink } from './flows.ts';
import type { BridgeOperations } from './operations.ts';
import { floodTargets } from './rows.ts';

/** The steps about a flood list: what makes it longer, and what makes it shorter. */
export interface FloodPlan {
  readonly additions: readonly Operation[];
  readonly removals: readonly Operation[];
}

/**
 * Brings the flood list, which is a few flows with many outputs, from what it is to what it should be. Nothing leaves it in
 * `additions`, so that without `removals` no destination is lost.
 */
export const planFlood = (
  host: HostIdentity,
  intent: NetworkIntent,
  devices: readonly string[],
  observed: readonly FlowSpec[],
  steps: BridgeOperations,
  uplink?: FlowUplink,
): FloodPlan => {
  const { networkId } = intent;
  const flows = networkFlows(intent.vni, {}, uplink);
  const there = byKey(observed);
  const found = floodTargets(observed);
  const targets = { ...found, devices: found.devices.filter((device) => device !== uplink?.device) };
  const destinations = destinationsOf(host, intent);
  const wanted = byKey(flows.flood(sorted(devices), sortedDestinations(destinations)));
  const union = byKey(
    flows.flood(
      sorted(new Set([...devices, ...targets.devices])),
      sortedDestinations([
        ...destinations,
        ...targets.destinations.filter((to) => !destinations.some((one) => same(one, to))),
      ]),
    ),
  );
  const reason = reasonOf(devices.length, destinations.length);
  const additions = differing(union, there).map((flow) => steps.addFlow(flow, { reason, networkId }, 'set-flood'));
  const removals = [
    ...differing(wanted, union).map((flow) => steps.addFlow(flow, { reason, networkId }, 'delete-flood')),
    ...[...new Map([...there, ...union])]
      .filter(([key]) => !wanted.has(key))
      .map(([, flow]) =>
        steps.deleteFlow(flow, { reason: `the flood list of network ${networkId} is shorter`, networkId }),
      ),
  ];
  return { additions, removals };
};

/** The flood list after a change, when the change is about it: the parts of it that differ. */
export const planChangedFlood = (
  host: HostIdentity,
  intent: NetworkIntent,
  change: NetworkChange,
  steps: BridgeOperations,
  uplink?: FlowUplink,
): readonly Operation[] => {
  if (!isAboutFlood(change)) return [];
  const { networkId } = intent;
  const flows = networkFlows(intent.vni, {}, uplink);
  const devices = new Set([...intent.ports.values()].map(({ device }) => device));
  const devicesBefore = new Set(devices);
  for (const { after } of change.ports.values())
    if (after.local !== undefined) devicesBefore.delete(after.local.device);
  for (const { before } of change.ports.values())
    if (before.local !== undefined) devicesBefore.add(before.local.device);
  const destinations = destinationsOf(host, intent);
  const kept = destinations.filter((to) => !change.floodAdded.some((added) => same(added, to)));
  const destinationsBefore = [...kept, ...change.floodRemoved.map(({ address, udpPort }) => ({ address, udpPort }))];

  const old = byKey(flows.flood(sorted(devicesBefore), sortedDestinations(destinationsBefore)));
  const now = byKey(flows.flood(sorted(devices), sortedDestinations(destinations)));
  // A device that went and came back looks the same and may have another number.
  const isAnew = [...change.ports.keys()].some((portId) => isPluggedAnew(change, portId));
  const reason = reasonOf(devices.size, destinations.length);
  return [
    ...(isAnew ? [...now.values()] : differing(now, old)).map((flow) =>
      steps.addFlow(flow, { reason, networkId }, 'set-flood'),
    ),
    ...[...old.values()]
      .filter((flow) => !now.has(specKey(flow)))
      .map((flow) => steps.deleteFlow(flow, { reason, networkId })),
  ];
};

const isAboutFlood = ({ ports, floodAdded, floodRemoved }: NetworkChange): boolean =>
  floodAdded.length > 0 ||
  floodRemoved.length > 0 ||
  [...ports.values()].some(({ before, after }) => before.local !== after.local);

const reasonOf = (devices: number, destinations: number): string =>
  `copies go to ${counted(devices, 'port')} here and to ${counted(destinations, 'other host')}`;

const counted = (count: number, what: string): string => `${count.toString()} ${what}${count === 1 ? '' : 's'}`;

const byKey = (flows: readonly FlowSpec[]): ReadonlyMap<string, FlowSpec> =>
  new Map(flows.map((flow) => [specKey(flow), flow]));

const differing = (wanted: ReadonlyMap<string, FlowSpec>, there: ReadonlyMap<string, FlowSpec>): readonly FlowSpec[] =>
  [...wanted]
    .filter(([key, flow]) => {
      const known = there.get(key);
      return known === undefined || !sameSpec(known, flow);
    })
    .map(([, flow]) => flow);

const destinationsOf = (host: HostIdentity, intent: NetworkIntent): readonly Destination[] => {
  const addresses = new Set<IpAddress>([...intent.remoteVteps.keys(), ...intent.manualFlood]);
  return [...addresses].flatMap((address) => floodDestination(host, intent, address) ?? []);
};

const sorted = (devices: Iterable<string>): readonly string[] => [...devices].sort();

const sortedDestinations = (destinations: readonly Destination[]): readonly Destination[] =>
  [...destinations].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.udpPort - b.udpPort));

const same = (a: Destination, b: Destination): boolean => a.address === b.address && a.udpPort === b.udpPort;

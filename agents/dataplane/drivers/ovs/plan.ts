import type { InTurns } from '#platform/async/turns.ts';
import type { OwnedNetwork } from '../../model/host.ts';
import type { HostIdentity, LocalPort, NetworkChange, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import type { Destination } from '../../model/rows.ts';
import { devicesOfChange, isPluggedAnew } from '../../plan/changes.ts';
import { changedClaims, claimsOf } from '../../plan/claims.ts';
import type { Holding } from '../../plan/claims.ts';
import { goneReason, whereabouts } from '../../plan/reasons.ts';
import { bridgePortOf, destinationOf, neighbourOf } from '../../plan/wanted-rows.ts';
import { tunnelName } from './devices.ts';
import { planChangedFlood, planFlood } from './flood-plan.ts';
import { ofThePast } from './flow-spec.ts';
import type { FlowSpec } from './flow-spec.ts';
import { sameSpec, specKey } from './flow-text.ts';
import { networkFlows } from './flows.ts';
import { guardFlows } from './guard-flows.ts';
import { guardPurpose, planChangedGuards } from './guard-plan.ts';
import type { NetworkFlows } from './flows.ts';
import { INDEX_OF_PORT, NETWORK_OF_PORT, networkMark, PORT_OF_PORT, TUNNEL_MARK } from './marks.ts';
import type { ObservedOvsNetwork, SwitchPort, SwitchPorts } from './observed.ts';
import { operationsOn, portKey } from './operations.ts';
import type { BridgeOperations, Purpose } from './operations.ts';
import { cookieOf, PRIORITY, TABLES } from './pipeline.ts';
import { planProvider, planProviderRemoval, uplinkOf } from './provider-plan.ts';
import type { Site } from './site.ts';
import { tunnelOptions } from './tunnel.ts';

/** What is known of the switch without asking it. */
export interface KnownSwitch {
  readonly ports: SwitchPorts;
  /** Whether the kernel's IP stack gets a copy of what comes in by a device: the datapath is in user space. */
  readonly isExposed: (device: string) => boolean;
  /** Interface index of a device that the kernel has. */
  readonly indexOf?: (device: string) => number | undefined;
}

/** A flow that is wanted, and why, which is asked only of those that are not there. */
interface Wanted {
  readonly flow: FlowSpec;
  readonly purpose: () => Purpose;
}

/**
 * Desired minus observed, in order: ports, flows that carry traffic, the flood list, and only then what is no longer needed.
 */
export function* planNetwork(
  site: Site,
  intent: NetworkIntent,
  observed: ObservedOvsNetwork,
): InTurns<readonly Operation[]> {
  const steps = operationsOn(site.bridge);
  const { networkId } = intent;
  const isHere = (device: string): boolean => observed.ports.has(device) || observed.devices.has(device);
  const mark = networkMark(intent.vni);
  const marks =
    observed.mark === networkId
      ? []
      : [
          steps.setBridgeId(mark, networkId, {
            reason: `VNI ${intent.vni.toString()} is network ${networkId}'s here`,
            networkId,
          }),
        ];
  const ports = [...intent.ports.values()].filter(({ device }) => isHere(device));
  const attached = planPorts(steps, intent, ports, {
    ports: observed.ports,
    isExposed: (device) => observed.exposed.has(device),
    indexOf: (device) => observed.indexes?.get(device),
  });

  // Flows that name a port which is made anew have its old number.
  const past = new Map<string, number>();
  for (const { device } of ports) {
    const known = observed.ports.get(device);
    if (known?.ofport !== undefined && isStale(known, observed.indexes?.get(device))) past.set(device, known.ofport);
  }
  const flows = past.size === 0 ? observed.flows : observed.flows.map((flow) => ofThePast(flow, past));
  const wanted = yield* wantedFlows(site, intent, isHere);
  const asWanted = new Set<Wanted>();
  const deletions: Operation[] = [];
  for (const flow of flows) {
    yield;
    if (isFlood(flow)) continue;
    const known = wanted.get(specKey(flow));
    if (known === undefined)
      deletions.push(steps.deleteFlow(flow, { reason: `nothing of network ${networkId} needs it`, networkId }));
    else if (sameSpec(flow, known.flow)) asWanted.add(known);
  }
  const additions: Operation[] = [];
  for (const each of wanted.values()) {
    if (!asWanted.has(each)) additions.push(steps.addFlow(each.flow, each.purpose()));
  }
  const flood = planFlood(
    site.host,
    intent,
    ports.map(({ device }) => device),
    flows.filter(isFlood),
    steps,
    uplinkOf(site, intent),
  );
  return [
    ...marks,
    ...planProvider(site, intent, observed),
    ...attached,
    ...planTunnels(site, intent, observed.ports, destinationsOf(site.host, intent)),
    ...additions,
    ...flood.additions,
    ...flood.removals,
    ...deletions,
    ...planReleases(steps, intent, observed.ports),
  ];
}

/** The steps for a change of what the switch holds, in the same order; cost in proportion to the change. */
export const planNetworkChange = (
  site: Site,
  intent: NetworkIntent,
  change: NetworkChange,
  known: KnownSwitch,
): readonly Operation[] => {
  const { host } = site;
  const { ports } = known;
  const steps = operationsOn(site.bridge);
  const flows = networkFlows(intent.vni, site, uplinkOf(site, intent));
  const remote: Destination[] = [...change.floodAdded];
  const local = planChangedPorts(steps, flows, intent, change, known);
  const additions: Operation[] = [...(local?.additions ?? [])];
  const deletions: Operation[] = [...(local?.deletions ?? [])];
  const { macs, ips } = changedClaims(host, intent, change);
  for (const { before, after } of macs.values()) {
    const now = unicastFlow(flows, after);
    const old = unicastFlow(flows, before);
    const isAnew = after !== undefined && isPluggedAnew(change, after.portId);
    if (now !== undefined && after !== undefined && (isAnew || old === undefined || !sameSpec(now, old))) {
      additions.push(steps.addFlow(now, purposeOf(intent, after)));
      const to = destinationOf(after);
      if (to !== undefined) remote.push(to);
    }
    if (old !== undefined && (now === undefined || specKey(now) !== specKey(old))) {
      deletions.push(steps.deleteFlow(old, { ...purposeOf(intent, before), reason: goneReason(before, after) }));
    }
  }
  for (const [ip, { before, after }] of ips) {
    const from = neighbourOf(ip, before, intent.mtu);
    const to = neighbourOf(ip, after, intent.mtu);
    if (to !== undefined && to !== from && after !== undefined) {
      additions.push(steps.addFlow(flows.responder(ip, to), responderPurpose(intent, ip, after)));
    }
    if (from !== undefined && to === undefined) {
      const purpose = { ...purposeOf(intent, before), reason: goneReason(before, after) };
      deletions.push(steps.deleteFlow(flows.responder(ip, from), purpose));
    }
  }
  const flood = planChangedFlood(host, intent, change, steps, uplinkOf(site, intent));
  return [
    ...(local?.attached ?? []),
    ...planTunnels(site, intent, ports, remote),
    ...additions,
    ...flood,
    ...deletions,
    ...(local?.releases ?? []),
  ];
};

/** The steps about ports that came to this host, left it or may send something else; undefined where none did. */
const planChangedPorts = (
  steps: BridgeOperations,
  flows: NetworkFlows,
  intent: NetworkIntent,
  change: NetworkChange,
  known: KnownSwitch,
): Record<'attached' | 'additions' | 'deletions' | 'releases', readonly Operation[]> | undefined => {
  const isLocal = [...change.ports.values()].some(({ before, after }) => before.local !== after.local);
  if (!isLocal) return undefined;
  const { networkId } = intent;
  const plugged: LocalPort[] = [];
  const additions: Operation[] = [];
  const deletions: Operation[] = [];
  const releases: Operation[] = [];
  const { leaving } = devicesOfChange(change);
  for (const [portId, { before, after }] of change.ports) {
    if (after.local !== undefined && isPluggedAnew(change, portId)) {
      plugged.push(after.local);
      additions.push(steps.addFlow(flows.fromPort(after.local.device), fromPortPurpose(intent, after.local)));
    }
    const device = before.local?.device;
    if (device === undefined || !leaving.has(device)) continue;
    const purpose = { reason: `port ${portId} has ${device} no more`, networkId, portId };
    deletions.push(steps.deleteFlow(flows.fromPort(device), purpose));
    if (known.ports.get(device)?.isOurs === true) releases.push(steps.deletePort(device, purpose));
  }
  const guards = planChangedGuards(steps, intent, change);
  return {
    attached: planPorts(steps, intent, plugged, known),
    additions: [...additions, ...guards.additions],
    deletions: [...deletions, ...guards.deletions],
    releases,
  };
};

/** Takes a network off the switch; ports that others put there stay. */
export const planNetworkRemoval = (bridge: string, owned: OwnedNetwork): readonly Operation[] => {
  const steps = operationsOn(bridge);
  const { networkId, vni } = owned;
  const purpose = { reason: `no port of network ${networkId} is on this host`, networkId };
  if (vni === undefined) return [];
  return [
    steps.deleteFlows(cookieOf(vni), purpose),
    ...(owned.ports ?? []).map((device) => steps.deletePort(device, purpose)),
    steps.setBridgeId(networkMark(vni), undefined, purpose),
    ...planProviderRemoval(bridge, owned, vni),
  ];
};

const isFlood = ({ table, priority }: FlowSpec): boolean => table === TABLES.flood && priority === PRIORITY.entry;

/** All flows of a network but its flood list, by key. */
function* wantedFlows(
  site: Site,
  intent: NetworkIntent,
  isHere: (device: string) => boolean,
): InTurns<ReadonlyMap<string, Wanted>> {
  const wanted = new Map<string, Wanted>();
  const flows = networkFlows(intent.vni, site, uplinkOf(site, intent));
  const add = (flow: FlowSpec, purpose: () => Purpose): void => {
    wanted.set(specKey(flow), { flow, purpose });
  };
  const claims = claimsOf(site.host, intent);
  add(flows.fromOutside(), () => outsidePurpose(site, intent));
  for (const flow of flows.toUplink()) {
    const reason = 'what is for nobody here is for the physical network';
    add(flow, () => ({ ...outsidePurpose(site, intent), reason }));
  }
  for (const port of intent.ports.values()) {
    if (!isHere(port.device)) continue;
    add(flows.fromPort(port.device), () => fromPortPurpose(intent, port));
    for (const flow of guardFlows(intent.vni, port)) add(flow, () => guardPurpose(intent.networkId, port));
  }
  for (const holding of claims.macs.values()) {
    yield;
    const flow = unicastFlow(flows, holding);
    if (flow === undefined || ('device' in holding.at && !isHere(holding.at.device))) continue;
    add(flow, () => purposeOf(intent, holding));
  }
  for (const [ip, holding] of claims.ips) {
    yield;
    const mac = neighbourOf(ip, holding, intent.mtu);
    if (mac !== undefined) add(flows.responder(ip, mac), () => responderPurpose(intent, ip, holding));
  }
  return wanted;
}

const outsidePurpose = (site: Site, intent: NetworkIntent): Purpose => {
  const { networkId, vni, provider } = intent;
  const uplink = uplinkOf(site, intent);
  if (provider === undefined || uplink === undefined)
    return { reason: `frames with VNI ${vni.toString()} are network ${networkId}'s`, networkId };
  const which = provider.vlan === undefined ? 'untagged frames' : `frames with VLAN ${provider.vlan.toString()}`;
  const reason = `${which} of physical network ${provider.physicalNetwork} are network ${networkId}'s`;
  return { reason, networkId, needs: [portKey(uplink.device)] };
};

/** The flow by which frames reach the holder of a MAC address. */
const unicastFlow = (flows: NetworkFlows, holding: Holding | undefined): FlowSpec | undefined => {
  if (holding === undefined) return undefined;
  const to = destinationOf(holding);
  if (to !== undefined) return flows.toRemote(holding.mac, to);
  const device = bridgePortOf(holding, undefined);
  return device === undefined ? undefined : flows.toPort(holding.mac, device);
};

/** Before it is in the bridge, so that no guest's frame is taken for the host's. */
const isolation = (steps: BridgeOperations, { networkId }: NetworkIntent, { device, portId }: LocalPort): Operation =>
  steps.isolatePort(device, { reason: "keeps guests away from the host's own IP stack", networkId, portId });

/**
 * Puts devices into the bridge. The steps of one sort are neighbours, so that any number of ports go in by one transaction:
 * each makes the switch look at all of its ports.
 */
const planPorts = (
  steps: BridgeOperations,
  intent: NetworkIntent,
  plugged: readonly LocalPort[],
  { ports, isExposed, indexOf }: KnownSwitch,
): readonly Operation[] => [
  ...plugged.filter(({ device }) => isExposed(device)).map((port) => isolation(steps, intent, port)),
  ...plugged.flatMap((port) => planPort(steps, intent, port, ports, indexOf?.(port.device))),
];

/** Whether the agent put the port there for an earlier device of that name. */
const isStale = (known: SwitchPort | undefined, index: number | undefined): boolean =>
  known?.isOurs === true && known.index !== undefined && index !== undefined && known.index !== index;

const planPort = (
  steps: BridgeOperations,
  { networkId, mtu }: NetworkIntent,
  { device, portId, mac }: LocalPort,
  ports: SwitchPorts,
  index: number | undefined,
): readonly Operation[] => {
  const known = ports.get(device);
  const purpose = { reason: `port ${portId} is ${device} on this host`, networkId, portId };
  const stale = isStale(known, index);
  if (known === undefined || stale) {
    const port = {
      device,
      mtu,
      interfaceIds: { 'iface-id': portId, 'attached-mac': mac },
      portIds: {
        [PORT_OF_PORT]: portId,
        [NETWORK_OF_PORT]: networkId,
        ...(index !== undefined && { [INDEX_OF_PORT]: index.toString() }),
      },
    };
    const reason = `${device} was made anew, and the switch still listens to the one before`;
    return [...(stale ? [steps.replacePort(device, { ...purpose, reason })] : []), steps.addPort(port, purpose)];
  }
  // What another put there has the MTU that he gave it.
  if (!known.isOurs || known.mtuRequest === mtu) return [];
  return [steps.setMtu(device, mtu, { ...purpose, reason: `network ${networkId} has MTU ${mtu.toString()}` })];
};

/** Ports that the agent put into the bridge for this network and that none of its ports has any more. */
const planReleases = (steps: BridgeOperations, intent: NetworkIntent, ports: SwitchPorts): readonly Operation[] => {
  const needed = new Set([...intent.ports.values()].map(({ device }) => device));
  const { networkId } = intent;
  return [...ports.values()]
    .filter(({ device, isOurs, networkOf }) => isOurs && networkOf === networkId && !needed.has(device))
    .map(({ device }) =>
      steps.deletePort(device, { reason: `no port of network ${networkId} has ${device}`, networkId }),
    );
};

/** Ways to UDP ports that other hosts listen on and this one does not. */
const planTunnels = (
  { host, bridge }: Site,
  { networkId }: NetworkIntent,
  ports: SwitchPorts,
  destinations: readonly Destination[],
): readonly Operation[] => {
  const udpPorts = new Set(destinations.map(({ udpPort }) => udpPort));
  return [...udpPorts]
    .filter((udpPort) => udpPort !== host.vtep.udpPort && !ports.has(tunnelName(udpPort)))
    .map((udpPort) =>
      operationsOn(bridge).addPort(
        {
          device: tunnelName(udpPort),
          type: 'vxlan',
          options: tunnelOptions(host, udpPort),
          interfaceIds: {},
          portIds: { [TUNNEL_MARK]: host.hostId },
        },
        { reason: `hosts of network ${networkId} take VXLAN at UDP port ${udpPort.toString()}`, networkId },
      ),
    );
};

const destinationsOf = (host: HostIdentity, intent: NetworkIntent): readonly Destination[] => [
  ...[...intent.remoteVteps.values()].map(({ address, udpPort }) => ({ address, udpPort })),
  ...(intent.manualFlood.size > 0 ? [{ address: host.vtep.address, udpPort: host.vtep.udpPort }] : []),
];

const purposeOf = ({ networkId }: NetworkIntent, holding: Holding | undefined): Purpose => ({
  reason: holding === undefined ? '' : whereabouts(holding),
  networkId,
  ...(holding !== undefined && { portId: holding.portId }),
});

const fromPortPurpose = ({ networkId }: NetworkIntent, { device, portId }: LocalPort): Purpose => ({
  reason: `what ${device} sends is of network ${networkId}`,
  networkId,
  portId,
  needs: [portKey(device)],
});

const responderPurpose = ({ networkId }: NetworkIntent, ip: string, { portId }: Holding): Purpose => ({
  reason: `${ip} is an address of port ${portId}`,
  networkId,
  portId,
});

import { DomainError } from '#platform/errors/domain-error.ts';
import { overlayAlias, overlayOfAlias } from '../model/names.ts';
import type { HostLink, ObservedHost, OvsPort } from '../model/observed.ts';
import type { OverlayLink, OverlaySpec } from '../model/spec.ts';
import type { OverlayStep } from '../model/step.ts';
import { subnetProblems } from './checks.ts';
import { connectionsOf, pathBetween } from './connections.ts';
import type { Connection } from './connections.ts';
import { addDevicePort, deletePort, markLink, markPort, needing, run, setLink } from './steps.ts';

/** Steps about the links of an overlay, and what stands in their way. */
export interface LinkPlan {
  readonly removals: readonly OverlayStep[];
  readonly others: readonly OverlayStep[];
  readonly problems: readonly DomainError[];
}

/**
 * Veth pairs between the overlay's bridge and Linux bridges. A link that is there stays, whatever else is wrong; one that
 * would close a loop, or that leads to a subnet outside of the overlay, is not made.
 */
export const planLinks = (
  spec: OverlaySpec,
  observed: ObservedHost,
  mtu: number | undefined,
  datapathType: string,
): LinkPlan => {
  const problems: DomainError[] = [];
  const removals = planRemovals(spec, observed);
  const others: OverlayStep[] = [];
  const isOwn = ownDevices(spec, observed);
  // Ours are counted when they are there to stay, each before those that are still to be made.
  const connections: Connection[] = connectionsOf(observed).filter(({ devices }) => !devices.some(isOwn));
  const isAttached = (link: OverlayLink): boolean =>
    observed.ports.get(link.device)?.bridge === spec.bridge &&
    observed.links.get(link.device)?.link === link.peerDevice &&
    observed.links.get(link.peerDevice)?.master === link.bridge;
  for (const link of [...spec.links.filter(isAttached), ...spec.links.filter((each) => !isAttached(each))]) {
    const at = `overlay.links[${spec.links.indexOf(link).toString()}]`;
    const path = pathBetween(connections, spec.bridge, link.bridge);
    if (path !== undefined) problems.push(wouldLoop(`${at}.bridge_name`, spec, link, path));
    const outside = subnetProblems(spec, link, observed);
    problems.push(...outside);
    if (!isAttached(link) && (path !== undefined || outside.length > 0)) continue;
    const foreign = foreignDevices(spec, link, observed);
    if (foreign !== undefined) {
      problems.push(foreign);
      continue;
    }
    const bridge = observed.links.get(link.bridge);
    if (bridge?.kind !== 'bridge') problems.push(noBridge(`${at}.bridge_name`, link, bridge));
    others.push(...planLink(spec, link, observed, { mtu, datapathType, hasBridge: bridge?.kind === 'bridge' }));
    connections.push({
      a: spec.bridge,
      b: link.bridge,
      devices: [link.device, link.peerDevice],
    });
  }
  return { removals, others, problems };
};

interface LinkTerms {
  readonly mtu: number | undefined;
  readonly datapathType: string;
  readonly hasBridge: boolean;
}

const planLink = (
  spec: OverlaySpec,
  link: OverlayLink,
  observed: ObservedHost,
  { mtu, datapathType, hasBridge }: LinkTerms,
): readonly OverlayStep[] => {
  const { device, peerDevice } = link;
  const steps: OverlayStep[] = [];
  const linked = `overlay ${spec.name} is linked to ${link.bridge}`;
  const isPair = isPairOf(link, observed);
  if (!isPair) {
    const stale = observed.ports.get(device);
    // Open vSwitch goes on with the device that is gone, says nothing, and takes nothing from one that comes by its name.
    if (stale !== undefined) steps.push(deletePort(stale.bridge, device, `the device of port ${device} is gone`));
    const argv = ['ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', peerDevice];
    steps.push(run('add-veth', device, argv, linked));
  }
  const now = (name: string): HostLink | undefined => (isPair ? observed.links.get(name) : undefined);
  // The mark before anything else: until then a pair is recognised by being of no use to anybody.
  for (const name of [device, peerDevice]) {
    const before = now(name);
    if (before?.alias !== overlayAlias(spec.name)) steps.push(needing(markLink(spec, name, mtu), device));
    else if (mtu !== undefined && before.mtu !== mtu) {
      steps.push(setLink('set-mtu', name, ['mtu', mtu.toString()], mtuReason(spec, mtu)));
    }
  }
  if (datapathType === 'netdev' && (!isPair || observed.txChecksum.get(peerDevice) !== false)) {
    const reason =
      'the userspace datapath takes frames as they are: a checksum left to hardware would never be filled in';
    const argv = ['ethtool', '-K', peerDevice, 'tx', 'off'];
    steps.push(needing(run('set-offload', peerDevice, argv, reason), device));
  }
  steps.push(...planPort(spec, link, isPair ? observed.ports.get(device) : undefined, linked));
  if (hasBridge && now(peerDevice)?.master !== link.bridge) {
    steps.push(needing(setLink('attach-link', peerDevice, ['master', link.bridge], linked), device));
  }
  for (const name of [device, peerDevice]) {
    if (now(name)?.up !== true) steps.push(needing(setLink('set-up', name, ['up'], linked), device));
  }
  return steps;
};

const planPort = (
  spec: OverlaySpec,
  link: OverlayLink,
  port: OvsPort | undefined,
  linked: string,
): readonly OverlayStep[] => {
  if (port === undefined) return [addDevicePort(spec, link.device, linked)];
  if (port.bridge !== spec.bridge || port.type !== '') {
    return [
      deletePort(port.bridge, port.name, `${port.name} is to be a port of ${spec.bridge}`),
      addDevicePort(spec, link.device, linked),
    ];
  }
  return port.overlay === spec.name ? [] : [markPort(port.name, spec.name)];
};

/** Whether the two ends are there and are each other's. */
const isPairOf = ({ device, peerDevice }: OverlayLink, observed: ObservedHost): boolean =>
  observed.links.get(device)?.link === peerDevice && observed.links.get(peerDevice)?.link === device;

/**
 * Devices and ports that bear the overlay's mark and that it has no use for any more; also pairs of which one end is wanted
 * with another, since an end cannot change its pair.
 */
const planRemovals = (spec: OverlaySpec, observed: ObservedHost): readonly OverlayStep[] => {
  const reason = `overlay ${spec.name} has no such link`;
  const ends = new Set<string>(spec.links.flatMap(({ device }) => device));
  const staying = new Set<string>(
    spec.links.filter((link) => isPairOf(link, observed)).flatMap(({ device, peerDevice }) => [device, peerDevice]),
  );
  const ports = [...observed.ports.values()].filter(
    ({ name, overlay, type }) => overlay === spec.name && type === '' && !ends.has(name),
  );
  return [
    ...ports.map(({ bridge, name }) => deletePort(bridge, name, reason)),
    ...deleteMarked(spec.name, observed, (name) => !staying.has(name), reason),
  ];
};

/** The steps that end devices with an overlay's mark; of a pair one is enough. */
export const deleteMarked = (
  overlay: OverlaySpec['name'],
  observed: ObservedHost,
  which: (name: string) => boolean,
  reason: string,
): readonly OverlayStep[] => {
  const gone = new Set<string>();
  const steps: OverlayStep[] = [];
  const marked = [...observed.links.values()].filter(
    ({ alias, name }) => alias === overlayAlias(overlay) && which(name),
  );
  for (const { name, link } of marked) {
    if (gone.has(name)) continue;
    if (link !== undefined) gone.add(link);
    steps.push(run('delete-veth', name, ['ip', 'link', 'del', 'dev', name], reason));
  }
  return steps;
};

/** Ends of pairs that are the overlay's own, whether or not it still wants them. */
const ownDevices = (spec: OverlaySpec, observed: ObservedHost) => {
  const unfinished = new Set<string>(
    spec.links.filter((link) => isUnfinished(link, observed)).flatMap(({ device, peerDevice }) => [device, peerDevice]),
  );
  return (name: string): boolean =>
    unfinished.has(name) || overlayOfAlias(observed.links.get(name)?.alias) === spec.name;
};

/** Names that others have. */
const foreignDevices = (spec: OverlaySpec, link: OverlayLink, observed: ObservedHost): DomainError | undefined => {
  for (const name of [link.device, link.peerDevice]) {
    const found = observed.links.get(name);
    const isOurs = overlayOfAlias(found?.alias) === spec.name || isUnfinished(link, observed);
    if (found !== undefined && !isOurs) return foreignDevice(spec, name, found);
    const port = observed.ports.get(name);
    if (port !== undefined && found === undefined && port.overlay !== spec.name) {
      return new DomainError(
        'precondition',
        'FOREIGN_DEVICE',
        `${name} is a port of bridge ${port.bridge} and not overlay ${spec.name}'s; choose another name or remove it`,
        { details: { device: name, overlay: spec.name } },
      );
    }
  }
  return undefined;
};

/** A pair that an agent made and died before it could mark both ends: exactly what is wanted, and in use by nobody. */
const isUnfinished = (link: OverlayLink, observed: ObservedHost): boolean =>
  isPairOf(link, observed) &&
  [link.device, link.peerDevice].every((name) => {
    const end = observed.links.get(name);
    const isIdle = end?.up === false && end.master === undefined && end.addresses.length === 0;
    return end?.kind === 'veth' && isIdle && (end.alias === undefined || overlayOfAlias(end.alias) !== undefined);
  });

const foreignDevice = (spec: OverlaySpec, name: string, { alias }: HostLink): DomainError =>
  new DomainError(
    'precondition',
    'FOREIGN_DEVICE',
    `${name} exists and is not overlay ${spec.name}'s: its alias is ${JSON.stringify(alias ?? '')}, ` +
      `not ${JSON.stringify(overlayAlias(spec.name))}; choose another name, or remove or rename it`,
    { details: { device: name, overlay: spec.name } },
  );

const noBridge = (field: string, link: OverlayLink, found: HostLink | undefined): DomainError =>
  found === undefined
    ? new DomainError('precondition', 'BRIDGE_NOT_FOUND', `${field}: this host has no bridge ${link.bridge}`, {
        details: { bridge: link.bridge },
      })
    : new DomainError(
        'precondition',
        'NOT_A_BRIDGE',
        `${field}: ${link.bridge} is ${found.kind === undefined ? 'no' : `a ${found.kind}, not a`} Linux bridge`,
        { details: { bridge: link.bridge } },
      );

const wouldLoop = (field: string, spec: OverlaySpec, link: OverlayLink, path: string): DomainError =>
  new DomainError(
    'precondition',
    'LINK_CLOSES_LOOP',
    `${field}: ${spec.bridge} and ${link.bridge} are connected already: ${path}; a second way would be a loop`,
    { details: { bridge: link.bridge, path } },
  );

/** Why a device gets an MTU. */
export const mtuReason = ({ name }: OverlaySpec, mtu: number): string => `overlay ${name} has MTU ${mtu.toString()}`;

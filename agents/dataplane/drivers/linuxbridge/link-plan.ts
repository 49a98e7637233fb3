import { DomainError } from '#platform/errors/domain-error.ts';
import { ipVersion } from '#platform/net/ip-address.ts';
import type { HostIdentity, LocalPort, NetworkIntent } from '../../model/intent.ts';
import type { Operation } from '../../model/operation.ts';
import { devicesOf } from './devices.ts';
import { attachWords, linkOperations } from './link-operations.ts';
import { isMarkedPort, networkMark } from './mark.ts';
import type { ObservedBridgeNetwork, ObservedLink, ObservedUplink } from './observed.ts';
import { planUplink } from './uplink-plan.ts';

/** The steps about a network's links, and which of its tables are empty once they are done. */
export interface LinkPlan {
  readonly operations: readonly Operation[];
  /** Devices that leave the bridge, after everything else. */
  readonly releases: readonly Operation[];
  readonly newBridge: boolean;
  readonly newVxlan: boolean;
}

/**
 * Makes devices whole before they are up: marked, off the host's IP stack, in their bridge, not learning. Throws
 * `precondition` when a device of that name is not ours.
 */
export const planLinks = (host: HostIdentity, intent: NetworkIntent, observed: ObservedBridgeNetwork): LinkPlan => {
  if (intent.provider !== undefined) return planProviderLinks(host, intent, observed);
  const { bridge, vxlan } = devicesOf(intent);
  const steps = linkOperations(host, intent);
  const bridgeLink = observed.links.get(bridge);
  const vxlanLink = observed.links.get(vxlan);
  if (bridgeLink !== undefined) requireOurs(intent, bridgeLink, isUnfinishedBridge(bridgeLink));
  if (vxlanLink !== undefined) requireOurs(intent, vxlanLink, isUnfinishedVxlan(host, intent, vxlanLink));

  const wrong = vxlanLink === undefined ? undefined : whyMadeAnew(host, intent, vxlanLink);
  const newVxlan = vxlanLink === undefined || wrong !== undefined;
  const made: Operation[] = [];
  if (bridgeLink === undefined) made.push(steps.addBridge());
  if (wrong !== undefined) made.push(steps.replaceVxlan(wrong));
  if (newVxlan) made.push(steps.addVxlan());
  const ups: Operation[] = [];
  const settings = [
    ...planBridge(intent, bridgeLink, { isolated: observed.isolated, isHostsOwn: false }, steps, ups),
    ...planVxlan(host, intent, newVxlan ? undefined : vxlanLink, bridgeLink === undefined, steps, ups),
  ];
  return {
    operations: [...made, ...settings, ...ups, ...planPorts(host, intent, observed, bridgeLink === undefined)],
    releases: planReleases(host, intent, observed),
    newBridge: bridgeLink === undefined,
    newVxlan,
  };
};

/** As `planLinks`, where an interface of the host takes the place of the VXLAN device. */
const planProviderLinks = (host: HostIdentity, intent: NetworkIntent, observed: ObservedBridgeNetwork): LinkPlan => {
  const { bridge, uplink } = devicesOf(intent);
  const steps = linkOperations(host, intent);
  const bridgeLink = observed.links.get(bridge);
  const uplinkLink = observed.links.get(uplink);
  if (bridgeLink !== undefined) requireOurs(intent, bridgeLink, isUnfinishedBridge(bridgeLink));
  if (intent.provider?.vlan !== undefined && uplinkLink !== undefined)
    requireOurs(intent, uplinkLink, isUnfinishedVlan(uplinkLink));
  const there = observed.uplink ?? NOTHING_OF_THE_HOST;
  const isHostsOwn = there.isHostsOwn || movesAddresses(intent, uplinkLink, there);
  const ups: Operation[] = [];
  const made = bridgeLink === undefined ? [steps.addBridge()] : [];
  const settings = planBridge(intent, bridgeLink, { isolated: observed.isolated, isHostsOwn }, steps, ups);
  const links = planUplink(host, intent, observed.links, there);
  return {
    operations: [
      ...made,
      ...settings,
      ...ups,
      ...links,
      ...planPorts(host, intent, observed, bridgeLink === undefined),
    ],
    releases: planReleases(host, intent, observed),
    newBridge: bridgeLink === undefined,
    newVxlan: true,
  };
};

const NOTHING_OF_THE_HOST: ObservedUplink = { device: undefined, routes: [], isHostsOwn: false };

const movesAddresses = (intent: NetworkIntent, link: ObservedLink | undefined, { device }: ObservedUplink): boolean =>
  intent.provider?.vlan === undefined &&
  link?.master !== devicesOf(intent).bridge &&
  device !== undefined &&
  device.addresses.length > 0;

const planPorts = (
  host: HostIdentity,
  intent: NetworkIntent,
  observed: ObservedBridgeNetwork,
  isNewBridge: boolean,
): readonly Operation[] =>
  [...intent.ports.values()].flatMap((port) => {
    const link = observed.links.get(port.device);
    // A device that is gone cannot be mended; the intent follows as soon as the kernel has told.
    return link === undefined ? [] : planPort(host, intent, port, isNewBridge ? withoutMaster(link) : link);
  });

/** Attaches a device of which nothing is known: every word is said. */
export const attachUnseen = (host: HostIdentity, intent: NetworkIntent, port: LocalPort): readonly Operation[] =>
  planPort(host, intent, port, undefined);

const planBridge = (
  intent: NetworkIntent,
  link: ObservedLink | undefined,
  host: { readonly isolated: boolean; readonly isHostsOwn: boolean },
  steps: ReturnType<typeof linkOperations>,
  ups: Operation[],
): readonly Operation[] => {
  const { bridge } = devicesOf(intent);
  const operations: Operation[] = [];
  const isNew = link === undefined;
  if (isNew || link.alias !== networkMark(intent.networkId)) operations.push(steps.mark(bridge));
  if (!host.isHostsOwn && (isNew || (link.addressGeneration ?? 'none') !== 'none')) {
    operations.push(
      steps.set('set-bridge', bridge, ['addrgenmode', 'none'], 'a bridge for guests has no address of its own'),
    );
  }
  const settings = link?.bridge;
  if (!isNew && (settings?.stp !== false || settings.forwardDelay !== 0 || settings.multicastSnooping)) {
    operations.push(
      steps.set(
        'set-bridge',
        bridge,
        ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0'],
        'ports forward at once, and multicast goes to all of them',
      ),
    );
  }
  if (!isNew && link.mtu !== intent.mtu)
    operations.push(steps.set('set-mtu', bridge, ['mtu', intent.mtu.toString()], mtuReason(intent)));
  if (!host.isHostsOwn && (isNew || !host.isolated)) operations.push(steps.isolateBridge());
  if (host.isHostsOwn && !isNew && host.isolated) operations.push(steps.openBridge());
  if (isNew || !link.up) ups.push(steps.set('set-up', bridge, ['up'], 'the bridge is whole'));
  return operations;
};

const planVxlan = (
  host: HostIdentity,
  intent: NetworkIntent,
  link: ObservedLink | undefined,
  newBridge: boolean,
  steps: ReturnType<typeof linkOperations>,
  ups: Operation[],
): readonly Operation[] => {
  const { bridge, vxlan } = devicesOf(intent);
  const operations: Operation[] = [];
  const isNew = link === undefined;
  if (isNew || link.alias !== networkMark(intent.networkId)) operations.push(steps.mark(vxlan));
  // IPv6 stays on: without it the device does not answer neighbour solicitations.
  if (isNew || (link.addressGeneration ?? 'none') !== 'none') {
    operations.push(steps.set('set-vxlan', vxlan, ['addrgenmode', 'none'], 'a tunnel has no address of its own'));
  }
  if (!isNew && link.vxlan?.local !== host.vtep.address) {
    operations.push(
      steps.set(
        'set-vxlan',
        vxlan,
        ['type', 'vxlan', 'local', host.vtep.address],
        `this host's VTEP is ${host.vtep.address}`,
      ),
    );
  }
  if (!isNew && link.vxlan?.learning !== false) {
    operations.push(
      steps.set('set-vxlan', vxlan, ['type', 'vxlan', 'nolearning'], 'where a MAC address is comes from l2pop alone'),
    );
  }
  if (!isNew && link.mtu !== intent.mtu)
    operations.push(steps.set('set-mtu', vxlan, ['mtu', intent.mtu.toString()], mtuReason(intent)));
  const outside = isNew || newBridge || link.master !== bridge;
  if (outside) operations.push(steps.set('set-vxlan', vxlan, ['master', bridge], `joins network ${intent.networkId}`));
  if (outside || link.port?.learning !== false || link.port.neighbourSuppression) {
    operations.push(
      steps.set(
        'set-vxlan',
        vxlan,
        ['type', 'bridge_slave', 'learning', 'off', 'neigh_suppress', 'off'],
        'the bridge learns nothing from the tunnel; the VXLAN device answers ARP and ND',
      ),
    );
  }
  if (isNew || !link.up) ups.push(steps.set('set-up', vxlan, ['up'], 'the VXLAN device is whole'));
  return operations;
};

const planPort = (
  host: HostIdentity,
  intent: NetworkIntent,
  { device, portId }: LocalPort,
  link: ObservedLink | undefined,
): readonly Operation[] => {
  const steps = linkOperations(host, intent);
  const wanted = attachWords(intent, portId);
  const words: string[] = [];
  if (link?.alias !== wanted.alias) words.push('alias', wanted.alias);
  if (link?.mtu !== intent.mtu) words.push('mtu', wanted.mtu);
  const outside = link?.master !== wanted.master;
  if (outside) words.push('master', wanted.master);
  const operations: Operation[] = [];
  if (words.length > 0) operations.push(steps.attachPort(device, portId, words));
  const learns = intent.provider !== undefined;
  // A port learns unless told otherwise.
  if (learns ? !outside && link.port?.learning === false : outside || link.port?.learning !== false) {
    const reason = learns
      ? 'where a MAC address is on a physical network is learnt, also when it moves'
      : 'which MAC address is behind a port comes from its record';
    const words = ['type', 'bridge_slave', 'learning', learns ? 'on' : 'off'];
    operations.push(steps.set('set-port', device, words, reason, portId));
  }
  if (link?.up !== true) operations.push(steps.set('set-up', device, ['up'], `port ${portId} is ready`, portId));
  return operations;
};

/** Devices that we put into the bridge and that no port of the network has. Others in it are not ours to take out. */
const planReleases = (
  host: HostIdentity,
  intent: NetworkIntent,
  observed: ObservedBridgeNetwork,
): readonly Operation[] => {
  const { bridge } = devicesOf(intent);
  const steps = linkOperations(host, intent);
  const devices = new Set([...intent.ports.values()].map(({ device }) => device));
  const released = [...observed.links.values()].filter(
    ({ name, master, alias }) => master === bridge && isMarkedPort(alias) && !devices.has(name),
  );
  return released.map(({ name, alias }) =>
    steps.releasePort(name, `no port of network ${intent.networkId} has ${name} (${alias ?? ''})`),
  );
};

const requireOurs = (intent: NetworkIntent, link: ObservedLink, unfinished: boolean): void => {
  if (link.alias === networkMark(intent.networkId) || unfinished) return;
  throw new DomainError(
    'precondition',
    'FOREIGN_DEVICE',
    `${link.name} exists and is not weft's: its alias is ${JSON.stringify(link.alias ?? '')}, ` +
      `not ${JSON.stringify(networkMark(intent.networkId))}; remove or rename it`,
    { details: { device: link.name, network_id: intent.networkId } },
  );
};

/** Made by an agent that died before it could mark it: exactly what we make, in use by nobody. */
const isUnfinishedBridge = ({ alias, up, master, kind, bridge }: ObservedLink): boolean =>
  alias === undefined &&
  !up &&
  master === undefined &&
  kind === 'bridge' &&
  bridge?.stp === false &&
  bridge.forwardDelay === 0 &&
  !bridge.multicastSnooping;

const isUnfinishedVlan = ({ alias, up, master, kind }: ObservedLink): boolean =>
  alias === undefined && !up && master === undefined && kind === 'vlan';

const isUnfinishedVxlan = (host: HostIdentity, intent: NetworkIntent, link: ObservedLink): boolean =>
  link.alias === undefined &&
  !link.up &&
  link.master === undefined &&
  link.vxlan?.local === host.vtep.address &&
  !link.vxlan.learning &&
  whyMadeAnew(host, intent, link) === undefined;

/** What cannot be changed on a VXLAN device, as a phrase; one name cannot be had twice, so it goes before it comes. */
const whyMadeAnew = (host: HostIdentity, intent: NetworkIntent, { name, vxlan }: ObservedLink): string | undefined => {
  if (vxlan === undefined) return `${name} is no VXLAN device`;
  if (vxlan.vni !== intent.vni) return `${name} has VNI ${vxlan.vni.toString()}, not ${intent.vni.toString()}`;
  if (vxlan.udpPort !== host.vtep.udpPort) {
    return `${name} has UDP port ${vxlan.udpPort.toString()}, not ${host.vtep.udpPort.toString()}`;
  }
  if (!vxlan.proxy) return `${name} does not answer ARP and ND`;
  if (vxlan.foreignMode) return `${name} sends to a group or a default destination`;
  if (vxlan.local === undefined || ipVersion(vxlan.local) !== ipVersion(host.vtep.address)) {
    return `${name} has local address ${vxlan.local ?? 'none'}, not ${host.vtep.address}`;
  }
  return undefined;
};

const mtuReason = (intent: NetworkIntent): string => `network ${intent.networkId} has MTU ${intent.mtu.toString()}`;

const withoutMaster = (link: ObservedLink): ObservedLink => {
  const { master: _master, port: _port, ...rest } = link;
  return rest;
};

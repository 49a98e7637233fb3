import { DomainError } from '#platform/errors/domain-error.ts';
import type { OwnedNetwork } from '../../model/host.ts';
import type { NetworkIntent } from '../../model/intent.ts';
import type { BatchRunner } from '../../sys/batch-child.ts';
import { isBatchLine } from '../../sys/batch-request.ts';
import { jsonObjects, outputOf } from '../../sys/command.ts';
import type { CommandRunner } from '../../sys/command.ts';
import { isolationOf } from '../../plan/isolation.ts';
import { readInterface, readRoutes } from '../../sys/interfaces.ts';
import { areSet } from '../../sys/sysctl.ts';
import type { Sysctl } from '../../sys/sysctl.ts';
import { devicesOf } from './devices.ts';
import { collectFdb, collectNeighbour, newRows, parseLink } from './dump.ts';
import type { Dumped } from './dump.ts';
import { markedNetwork } from './mark.ts';
import type { ObservedBridgeNetwork, ObservedLink } from './observed.ts';

/** What reading needs of the host. */
export interface Readers {
  readonly commands: CommandRunner;
  readonly sysctl: Sysctl;
  /** For what can be asked without starting a program. */
  readonly ip: BatchRunner;
}

/**
 * Reads one network back: two programs at once however many rows there are, none when it has no device here yet. What is
 * not there is left out; what cannot be understood is not ours.
 */
export const observeNetwork = async (
  readers: Readers,
  intent: NetworkIntent,
  signal: AbortSignal,
): Promise<ObservedBridgeNetwork> => {
  const { bridge, vxlan } = devicesOf(intent);
  const ports = [...intent.ports.values()].map(({ device }) => device);
  const present = await presentDevices(readers.ip, [bridge, vxlan, ...ports], signal);
  if (!present.has(bridge) && !present.has(vxlan)) return nothingOf(present);
  const [first, bridgeRows, isolated] = await Promise.all([
    // Asking for the links of a bridge that is not there ends `ip`: it comes last.
    ipDump(readers, [`neigh show dev ${vxlan}`, ...show([bridge, vxlan]), `link show master ${bridge}`], signal),
    fdbDump(readers, ['br', bridge], signal),
    areSet(readers.sysctl, isolationOf(bridge), signal),
  ]);
  const links = linksOf(first);
  const missing = ports.filter((device) => present.has(device) && !links.has(device));
  const vxlanLink = links.get(vxlan);
  // A bridge tells the rows of its ports only.
  const isOutside = vxlanLink !== undefined && (vxlanLink.master !== bridge || !links.has(bridge));
  const [others, vxlanRows] = await Promise.all([
    missing.length === 0 ? [] : ipDump(readers, show(missing), signal),
    isOutside ? fdbDump(readers, ['dev', vxlan], signal) : [],
  ]);
  for (const [name, link] of linksOf(others)) links.set(name, link);

  const rows = newRows();
  const source = { bridge, vxlan, udpPort: vxlanLink?.vxlan?.udpPort ?? 0 };
  for (const dumped of bridgeRows) collectFdb(dumped, source, rows);
  for (const dumped of vxlanRows) collectFdb({ ...dumped, ifname: vxlan }, source, rows);
  for (const dumped of first) collectNeighbour(dumped, rows);
  return { rows, links, isolated, strayFdb: rows.strayFdb, strayFlood: rows.strayFlood };
};

/** As `observeNetwork`, of a network that is learnt: its links, and what of the host's own is on its interface or its bridge. */
export const observeProviderNetwork = async (
  readers: Readers,
  intent: NetworkIntent,
  signal: AbortSignal,
): Promise<ObservedBridgeNetwork> => {
  const { bridge, uplink } = devicesOf(intent);
  const device = intent.provider?.device ?? uplink;
  const ports = [...intent.ports.values()].map((port) => port.device);
  const lines = show([...new Set([bridge, uplink, device, ...ports])]);
  const [dumped, isolated, found, bridgeFound] = await Promise.all([
    ipDump(readers, [...lines, `link show master ${bridge}`], signal),
    areSet(readers.sysctl, isolationOf(bridge), signal),
    readInterface(readers.commands, device, signal),
    readInterface(readers.commands, bridge, signal),
  ]);
  const isInside = found?.master !== undefined && found.master === bridge;
  const moves = found !== undefined && found.addresses.length > 0 && !isInside && intent.provider?.vlan === undefined;
  const rows = newRows();
  return {
    ...{ rows, strayFdb: rows.strayFdb, strayFlood: rows.strayFlood },
    links: linksOf(dumped),
    isolated,
    uplink: {
      device: found,
      routes: moves ? await readRoutes(readers.commands, device, signal) : [],
      isHostsOwn: (bridgeFound?.addresses.length ?? 0) > 0,
    },
  };
};

/** Which of these devices there are: asked of the long-lived tool, which answers at once. */
const presentDevices = async (
  ip: BatchRunner,
  devices: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> => {
  const answers = await ip.run(show(devices), signal);
  const present = new Set<string>();
  for (const [index, device] of devices.filter(isNameable).entries()) {
    const answer = answers[index];
    if (answer === undefined) present.add(device);
    else checkComplaints(['ip', 'link', 'show', 'dev', device], answer);
  }
  return present;
};

/** A network that has no device here. Of its ports' devices it is enough that they are there: everything is to be set. */
const nothingOf = (present: ReadonlySet<string>): ObservedBridgeNetwork => {
  const rows = newRows();
  const links = new Map([...present].map((name) => [name, { name, up: false, mtu: 0 }]));
  return { rows, links, isolated: false, strayFdb: rows.strayFdb, strayFlood: rows.strayFlood };
};

/** The networks whose mark is on a device of the host; `uplinks` are the interfaces that mappings name. */
export const observeOwnedNetworks = async (
  readers: Readers,
  uplinks: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, OwnedNetwork>> => {
  const command = ['ip', '-json', '-details', 'link', 'show'];
  const links = linksOf(jsonObjects(command.join(' '), await outputOf(readers.commands, command, signal)));
  const owned = new Map<string, { networkId: OwnedNetwork['networkId']; devices: string[]; ports: string[] }>();
  for (const link of links.values()) {
    const networkId = markedNetwork(link.alias);
    if (networkId === undefined) continue;
    const network = owned.get(networkId) ?? { networkId, devices: [], ports: [] };
    network.devices.push(link.name);
    owned.set(networkId, network);
  }
  for (const { devices, ports } of owned.values()) {
    for (const { name, master } of links.values()) {
      if (master !== undefined && devices.includes(master) && !devices.includes(name)) ports.push(name);
    }
  }
  const homes = await Promise.all(
    [...owned.values()].map(async (network): Promise<OwnedNetwork> => {
      const of = network.ports.find((port) => uplinks.has(port));
      const bridge = network.devices.find((name) => links.get(name)?.kind === 'bridge');
      if (of === undefined || bridge === undefined) return network;
      const at = await readInterface(readers.commands, bridge, signal);
      if (at === undefined || at.addresses.length === 0) return network;
      return { ...network, home: { at, of, routes: await readRoutes(readers.commands, bridge, signal) } };
    }),
  );
  return new Map(homes.map((network) => [network.networkId, network]));
};

// What the tools say of a device that is not there, which is an answer.
const ABSENT = /^$|^Command failed|Cannot find (?:bridge )?device|does not exist|No such device/;

const checkComplaints = (command: readonly string[], stderr: string): void => {
  const complaint = stderr.split('\n').find((line) => !ABSENT.test(line));
  if (complaint === undefined) return;
  throw new DomainError('internal', 'NOT_READ_BACK', `${command.join(' ')}: ${complaint}`, { details: { stderr } });
};

const showLine = (device: string): string => `link show dev ${device}`;
const isNameable = (device: string): boolean => isBatchLine(showLine(device));
const show = (devices: readonly string[]): readonly string[] => devices.filter(isNameable).map(showLine);

/** Objects of several `ip` commands by one program; a command about what is not there adds nothing. */
const ipDump = async (readers: Readers, lines: readonly string[], signal: AbortSignal): Promise<readonly Dumped[]> => {
  const command = ['ip', '-force', '-json', '-details', '-batch', '-'];
  const { stdout, stderr } = await readers.commands.run(command, signal, { input: `${lines.join('\n')}\n` });
  checkComplaints(command, stderr);
  return jsonObjects(command.join(' '), stdout);
};

const fdbDump = async (readers: Readers, of: readonly string[], signal: AbortSignal): Promise<readonly Dumped[]> => {
  const command = ['bridge', '-json', 'fdb', 'show', ...of];
  const { stdout, stderr } = await readers.commands.run(command, signal);
  checkComplaints(command, stderr);
  return jsonObjects(command.join(' '), stdout);
};

const linksOf = (dumped: readonly Dumped[]): Map<string, ObservedLink> => {
  const links = new Map<string, ObservedLink>();
  for (const each of dumped) {
    const link = parseLink(each);
    if (link !== undefined) links.set(link.name, link);
  }
  return links;
};

import { attempt } from './attempt.ts';
import { endProcesses } from './end.ts';
import { askForAddress } from './guest-dhcp.ts';
import {
  ETHERNET_MTU,
  GUEST_DEVICE,
  guestTap,
  INCOMING_DEVICE,
  OUTGOING_DEVICE,
  pairLines,
  parseGuestPort,
  plugLine,
  stationLines,
} from './guest-port.ts';
import { plugIn, unplug } from './guest-plug.ts';
import type { GuestPortSpec } from './guest-port.ts';
import { GUEST_STATION, setInNamespace } from './host.ts';
import { guestNamespace, hostNamespace, LAB_MARK, parseGuestName, parseLabHostName, parseLabName } from './names.ts';
import type { GuestName } from './names.ts';
import { allNamespaces, refuseExisting } from './namespaces.ts';
import { namespaceInode, processesInNamespaces } from './proc.ts';
import { finishChecksums } from './offload.ts';
import { shown } from './guest-view.ts';
import type { Guest } from './guest-view.ts';
import { killMachine } from './machines.ts';
import type { GuestRecord } from './record.ts';
import { Tools } from './run.ts';
import { existingLab } from './store.ts';
import type { LabStore } from './store.ts';
import { hasSwitches } from './topology.ts';

export interface VmBootOptions {
  readonly lab: string;
  readonly host: string;
  readonly name: string;
  readonly port: GuestPortSpec;
  /** Whether it asks for its address, by DHCP, rather than to have it. */
  readonly dhcp?: boolean;
}

/** A guest of a lab. */
export interface VmRef {
  readonly lab: string;
  readonly name: string;
}

const GRACE_MS = 1_000;
/** It asks for routers each second: it is not yet plugged when it does so for the first time. */
const SOLICITING = ['net.ipv6.conf.default.router_solicitation_interval=1'];

/**
 * Boots a guest: its device `eth0` is complete before the tap appears on the host, in one step with its name, address and MTU,
 * and up. On a host with Open vSwitch it is put into `br-int` then, as libvirt does. With `dhcp` it has no address before it
 * was given one. Rejects with `exists` for a name in use, `not_found` for an unknown host, `invalid` for a bad port,
 * `precondition` for a host without that bridge and for a guest that is given no address; nothing is left then.
 */
export const vmBoot = async (options: VmBootOptions, signal: AbortSignal): Promise<Guest> => {
  const store = existingLab(parseLabName('lab', options.lab));
  const lab = store.upLab();
  const host = store.host(parseLabHostName('host', options.host));
  const name = parseGuestName('name', options.name);
  const port = parseGuestPort(options.port);
  const namespace = guestNamespace(store.name, name);
  const record: GuestRecord = { name, host: host.name, tap: guestTap(port), port, phase: 'booting' };
  const tools = new Tools({ [LAB_MARK]: lab.id });
  store.claimGuest(record);
  try {
    refuseExisting([namespace]);
  } catch (error) {
    // Another's: to remove the guest would be to remove that.
    store.forgetGuest(name);
    throw error;
  }
  try {
    await tools.run('ip', ['netns', 'add', namespace], signal);
    const dhcp = options.dhcp === true;
    await setInNamespace(tools, namespace, dhcp ? [...GUEST_STATION, ...SOLICITING] : GUEST_STATION, signal);
    const lines = [
      'link set dev lo up',
      ...(dhcp
        ? pairLines(port, GUEST_DEVICE, ETHERNET_MTU)
        : [...pairLines(port, GUEST_DEVICE), ...stationLines(port, GUEST_DEVICE, 'add')]),
    ];
    const plug = plugLine(port, hostNamespace(store.name, host.name));
    if (hasSwitches(lab)) {
      await tools.ipBatch(namespace, lines, signal);
      await finishChecksums(tools, namespace, GUEST_DEVICE, signal);
      await tools.ipBatch(namespace, [plug], signal);
    } else await tools.ipBatch(namespace, [...lines, plug], signal);
    await plugIn(store, host, record, tools, signal);
    if (dhcp) await askForAddress(store, { name, namespace, labId: lab.id }, signal);
    const running: GuestRecord = { ...record, phase: 'running' };
    store.writeGuest(running);
    return shown(store, running);
  } catch (error) {
    await remove(store, name, AbortSignal.timeout(30_000));
    throw error;
  }
};

/** Ends a guest as pulling its plug does: what runs in it, its device and with it the tap, its namespace. Rejects with `not_found`. */
export const vmKill = async (ref: VmRef, signal: AbortSignal): Promise<void> => {
  const store = existingLab(parseLabName('lab', ref.lab));
  const record = store.guest(parseGuestName('name', ref.name));
  if (record.kind === 'machine') await killMachine(record, ref.lab, signal);
  else await remove(store, record.name, signal);
};

/** The guests of a lab by name, also those of a lab that is half gone. */
export const vmList = (lab: string): readonly Guest[] => {
  const store = existingLab(parseLabName('lab', lab));
  return store.guests().map((record) => shown(store, record));
};

const remove = async (store: LabStore, name: GuestName, signal: AbortSignal): Promise<void> => {
  const tools = new Tools();
  const namespace = guestNamespace(store.name, name);
  if (allNamespaces().includes(namespace)) {
    const inodes = new Set([attempt(() => namespaceInode(namespace), undefined) ?? -1]);
    await endProcesses(() => processesInNamespaces(inodes), GRACE_MS, signal);
    // The kernel clears a namespace away in its own time, but a device, and its other end on the host, at once.
    const devices = [GUEST_DEVICE, INCOMING_DEVICE, OUTGOING_DEVICE];
    await tools.ipBatchForce(
      namespace,
      devices.map((device) => `link delete dev ${device}`),
      signal,
    );
    await tools.run('ip', ['netns', 'delete', namespace], signal);
  }
  const { host, movingTo, tap } = store.guest(name);
  for (const place of new Set([host, movingTo ?? host])) await unplug(store, store.host(place), tap, tools, signal);
  store.forgetGuest(name);
};

import { withDeadline } from '#platform/async/deadline.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import {
  GUEST_DEVICE,
  INCOMING_DEVICE,
  leaveLines,
  OUTGOING_DEVICE,
  pairLines,
  plugLine,
  renameDownLines,
  renameLines,
  stationLines,
} from './guest-port.ts';
import { isPlugged, plugIn, unplug } from './guest-plug.ts';
import { shown } from './guest-view.ts';
import type { Guest } from './guest-view.ts';
import { guestNamespace, hostNamespace, LAB_MARK, parseGuestName, parseLabHostName, parseLabName } from './names.ts';
import type { LabHostName } from './names.ts';
import { finishChecksums } from './offload.ts';
import type { GuestPort, GuestRecord, LabHost } from './record.ts';
import { Tools } from './run.ts';
import { existingLab } from './store.ts';
import type { LabStore } from './store.ts';
import { hasSwitches } from './topology.ts';

export interface VmMoveOptions {
  readonly lab: string;
  readonly name: string;
  readonly toHost: string;
  /**
   * Called when the second tap is there; the guest goes over to it once this resolves. When left out: once the new tap is in a
   * bridge, if the old one is in one.
   */
  readonly ready?: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds until waiting for that counts as failed; 10,000 when left out. */
  readonly readyWithinMs?: number;
  /** Milliseconds for which the old tap still takes in what is under way to it; 100 when left out. */
  readonly lingerMs?: number;
}

const READY_MS = 10_000;
const LINGER_MS = 100;

/**
 * Moves a running guest to another host as a live migration does: a second tap of the same port appears there, the guest
 * goes over to it with its addresses (it never is without), announces itself, and the first tap goes. Takes frames in from
 * both meanwhile. Rejects, with the guest where it was, when the new place does not become ready.
 */
export const vmMove = async (options: VmMoveOptions, signal: AbortSignal): Promise<Guest> => {
  const store = existingLab(parseLabName('lab', options.lab));
  const lab = store.upLab();
  const destination = store.host(parseLabHostName('to_host', options.toHost));
  const to = destination.name;
  const guest = store.guest(parseGuestName('name', options.name));
  refuseUnlessSettled(guest, to);
  const tools = new Tools({ [LAB_MARK]: lab.id });
  const namespace = guestNamespace(store.name, guest.name);

  store.writeGuest({ ...guest, movingTo: to });
  try {
    await tools.ipBatch(namespace, pairLines(guest.port, INCOMING_DEVICE), signal);
    if (hasSwitches(lab)) await finishChecksums(tools, namespace, INCOMING_DEVICE, signal);
    await tools.ipBatch(namespace, [plugLine(guest.port, hostNamespace(store.name, to))], signal);
    await plugIn(store, destination, guest, tools, signal);
    const ready =
      options.ready ??
      (async (limited) => {
        await untilBridged(store, guest, destination, limited);
      });
    await withDeadline(options.readyWithinMs ?? READY_MS, signal, ready);
    await tools.ipBatch(namespace, stationLines(guest.port, INCOMING_DEVICE, 'add'), signal);
  } catch (error) {
    const clearing = AbortSignal.timeout(20_000);
    await tools.ipBatchForce(namespace, [`link delete dev ${INCOMING_DEVICE}`], clearing);
    await unplug(store, destination, guest.tap, tools, clearing);
    store.writeGuest(guest);
    throw error;
  }
  // From here on it goes forward: half a switch would help nobody.
  const committed = AbortSignal.timeout(30_000);
  await switchOver(tools, namespace, guest.port, committed);
  const moved: GuestRecord = { ...guest, host: to };
  store.writeGuest({ ...moved, movingTo: to });
  await sleep(options.lingerMs ?? LINGER_MS, committed);
  await tools.ipBatch(namespace, [`link delete dev ${OUTGOING_DEVICE}`], committed);
  await unplug(store, store.host(guest.host), guest.tap, tools, committed);
  store.writeGuest(moved);
  return shown(store, moved);
};

const refuseUnlessSettled = (guest: GuestRecord, to: LabHostName): void => {
  if (guest.kind === 'machine') {
    throw new DomainError(
      'precondition',
      'GUEST_IS_MACHINE',
      `guest ${guest.name} is a virtual machine: virsh migrate`,
    );
  }
  if (guest.phase !== 'running' || guest.movingTo !== undefined) {
    throw new DomainError(
      'precondition',
      'GUEST_UNSETTLED',
      `guest ${guest.name} is booting or moving, or that was cut short`,
    );
  }
  if (guest.host === to) {
    throw new DomainError('precondition', 'GUEST_IS_THERE', `guest ${guest.name} is on host ${to} already`);
  }
};

/** Takes the addresses from the old device and gives the new one its name; the new one has the addresses already. */
export const switchOver = async (
  tools: Tools,
  namespace: string,
  port: GuestPort,
  signal: AbortSignal,
  rename: readonly string[] = renameLines(port),
): Promise<void> => {
  const leave = leaveLines(port, GUEST_DEVICE);
  const failed = await tools.ipBatchForce(namespace, [...leave, ...rename], signal);
  // An older kernel renames nothing that is up.
  if ([...failed].some((line) => line >= leave.length)) {
    await tools.ipBatch(namespace, renameDownLines(port), signal);
  }
};

/** Resolves once the guest's tap on `to` is in a bridge, at once where the old one is in none: then nobody bridges here. */
const untilBridged = async (store: LabStore, guest: GuestRecord, to: LabHost, signal: AbortSignal): Promise<void> => {
  if (!isPlugged(store, store.host(guest.host), guest.tap)) return;
  while (!isPlugged(store, to, guest.tap)) await sleep(1, signal);
};

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DomainError } from '#platform/errors/domain-error.ts';
import { attempt } from './attempt.ts';
import { parseGuestPort } from './guest-port.ts';
import type { GuestPortSpec } from './guest-port.ts';
import { shown } from './guest-view.ts';
import type { Guest } from './guest-view.ts';
import { CONSOLE_DIR, mustVirsh, openLibvirt, ownRunPath, runPathInHost, runsLibvirt, virsh } from './libvirt.ts';
import type { LibvirtHost } from './libvirt.ts';
import { libvirtFiles } from './libvirt-files.ts';
import { cardXml, domainXml } from './machine-domain.ts';
import type { MachineCard } from './machine-domain.ts';
import { runInMachine } from './machine-shell.ts';
import { parseGuestName, parseLabName } from './names.ts';
import type { GuestName } from './names.ts';
import type { GuestRecord } from './record.ts';
import type { RunResult } from './run.ts';
import { existingLab } from './store.ts';

export interface MachineBootOptions {
  readonly lab: string;
  readonly host: string;
  readonly name: string;
  readonly port: GuestPortSpec;
  /** The libvirt network of its card. */
  readonly network: string;
  /** Leaves it to the network and the MAC address to tell which port it is. */
  readonly anonymous?: boolean;
}

/** A virtual machine of a lab. */
export interface MachineRef {
  readonly lab: string;
  readonly name: string;
}

/**
 * Boots a virtual machine on a host with libvirt: a domain of its own, started as `virsh start` does, with a card in a libvirt
 * network. Its kernel takes some seconds to come up; `machineRun` waits for it. Rejects with `exists` for a name in use,
 * `invalid` for a bad port, `precondition` for a host without libvirt, `internal` with what libvirt says; nothing is left then.
 */
export const machineBoot = async (options: MachineBootOptions, signal: AbortSignal): Promise<Guest> => {
  const at = openLibvirt(options);
  const name = parseGuestName('name', options.name);
  const port = parseGuestPort(options.port);
  const files = libvirtFiles();
  if (!runsLibvirt(at)) {
    throw new DomainError(
      'precondition',
      'NO_LIBVIRT',
      `host ${at.host.name} runs no libvirt: weft lab libvirt up ${at.host.name} --name ${at.store.name}`,
    );
  }
  const draft: GuestRecord = { name, host: at.host.name, tap: '', kind: 'machine', port, phase: 'booting' };
  at.store.claimGuest(draft);
  try {
    mkdirSync(ownRunPath(at, ''), { recursive: true });
    const table = `${name}.xml`;
    const xml = domainXml({
      ...{ name, port, network: options.network, files },
      namesPort: at.host.driver === 'ovs' && options.anonymous !== true,
      console: consoleInHost(name),
      serial: serialInHost(name),
    });
    writeFileSync(ownRunPath(at, table), xml);
    await mustVirsh(at, ['define', runPathInHost(table)], signal);
    await mustVirsh(at, ['start', name], signal);
    const record: GuestRecord = { ...draft, tap: await cardOf(at, name, port.mac, signal), phase: 'running' };
    at.store.writeGuest(record);
    return shown(at.store, record);
  } catch (error) {
    await removeMachine(at, name, AbortSignal.timeout(30_000));
    throw error;
  }
};

/** Ends a machine as pulling its plug does, and lets libvirt forget it. Works on the record of a host that is half gone. */
export const killMachine = async (record: GuestRecord, lab: string, signal: AbortSignal): Promise<void> => {
  await removeMachine(openLibvirt({ lab, host: record.host }), record.name, signal);
};

/** Runs a command in a machine, waiting for one that still boots. Rejects with `not_found`, `unavailable`, `deadline`. */
export const machineRun = async (
  ref: MachineRef,
  argv: readonly string[],
  deadlineMs: number,
  signal: AbortSignal,
): Promise<RunResult> => {
  const { at, record } = find(ref);
  return await runInMachine(ownRunPath(at, `${record.name}.serial`), argv, deadlineMs, signal);
};

/** What a machine has written to its console so far. Rejects with `not_found`. */
export const machineConsole = (ref: MachineRef): string => {
  const { at, record } = find(ref);
  const folder = at.store.hostDir(at.host.name, join('libvirt', CONSOLE_DIR));
  return attempt(() => readFileSync(join(folder, `${record.name}.console`), 'utf8'), '');
};

/** Plugs another card into a machine that runs. Rejects with `internal` and what libvirt says. */
export const machinePlug = async (ref: MachineRef, card: MachineCard, signal: AbortSignal): Promise<string> => {
  const { at, record } = find(ref);
  const table = `${record.name}-card.xml`;
  writeFileSync(ownRunPath(at, table), cardXml(card));
  await mustVirsh(at, ['attach-device', record.name, runPathInHost(table), '--live'], signal);
  return await cardOf(at, record.name, card.mac, signal);
};

/** Takes a card out of a machine that runs; resolves when the guest has let it go. */
export const machineUnplug = async (ref: MachineRef, mac: string, signal: AbortSignal): Promise<void> => {
  const { at, record } = find(ref);
  // What runs has its bridge by name, whatever network it came from.
  await mustVirsh(at, ['detach-interface', record.name, 'bridge', '--mac', mac, '--live'], signal);
};

const find = ({ lab, name }: MachineRef): { readonly at: LibvirtHost; readonly record: GuestRecord } => {
  const record = existingLab(parseLabName('lab', lab)).guest(parseGuestName('name', name));
  if (record.kind !== 'machine') {
    throw new DomainError('precondition', 'NO_MACHINE', `guest ${name} is a namespace and no virtual machine`);
  }
  return { at: openLibvirt({ lab, host: record.host }), record };
};

const removeMachine = async (at: LibvirtHost, name: GuestName, signal: AbortSignal): Promise<void> => {
  // Either may be done already, or libvirt be gone: what runs is found by its namespace when the lab goes.
  if (runsLibvirt(at)) {
    await virsh(at, ['destroy', name], signal);
    await virsh(at, ['undefine', name], signal);
  }
  for (const file of [`${name}.xml`, `${name}-card.xml`, `${name}.serial`])
    rmSync(ownRunPath(at, file), { force: true });
  at.store.forgetGuest(name);
};

/** The device of a card: `virsh domiflist` has a line of `vnet0  network  NAME  virtio  MAC` for each. */
const cardOf = async (at: LibvirtHost, name: GuestName, mac: string, signal: AbortSignal): Promise<string> => {
  const lines = (await mustVirsh(at, ['domiflist', name], signal)).split('\n').map((line) => line.trim().split(/\s+/));
  return lines.find((words) => words.at(-1) === mac)?.[0] ?? '';
};

const consoleInHost = (name: GuestName): string => `${CONSOLE_DIR}/${name}.console`;
const serialInHost = (name: GuestName): string => runPathInHost(`${name}.serial`);

import type { Operation } from '../model/operation.ts';
import { fileDrift } from './compare.ts';
import { filesOfOwner, readerOf } from './inventory.ts';
import type { Inventory } from './inventory.ts';
import type { Persistent } from './model/devices.ts';
import { NETWORK_MANAGER_SETTINGS } from './writers/extras.ts';
import { networkManager, profilesOf } from './writers/networkmanager.ts';
import { SYSTEMD_NETWORK } from './writers/networkd.ts';
import type { ConfigText, PersistenceFormat } from './writers/writer.ts';

/** A file that is to be written (with what there was) or to go. */
export interface FileStep {
  readonly operation: Operation;
  readonly path: string;
  /** Absent: it goes. */
  readonly wanted?: ConfigText;
}

/** Something that is to be told to who reads the files. */
export interface TellStep extends Operation {
  /** How long it may take. */
  readonly deadlineMs?: number;
}

/** What brings the files of an owner to what they are to be, in order; nothing where they mean that already. */
export const planFiles = (owner: string, wanted: readonly ConfigText[], inventory: Inventory): readonly FileStep[] => {
  const paths = new Set(wanted.map(({ path }) => path));
  const removals = filesOfOwner(inventory, owner).filter(({ path }) => !paths.has(path));
  return [
    ...wanted.flatMap((file): readonly FileStep[] => {
      const drift = fileDrift(file, inventory.get(file.path), readerOf(file.path));
      if (drift.length === 0) return [];
      const argv = ['install', '-D', '-m', file.mode.toString(8).padStart(4, '0'), '/dev/stdin', file.path];
      const reason = `${file.path} ${drift.join(', ')}`;
      return [{ operation: { kind: 'write-file', key: file.path, argv, reason }, path: file.path, wanted: file }];
    }),
    ...removals.map(({ path }): FileStep => {
      const reason = `${owner} has no use for ${path} any more`;
      return { operation: { kind: 'remove-file', key: path, argv: ['rm', '-f', path], reason }, path };
    }),
  ];
};

/** Who reads the files and is there to be told. */
export interface Readers {
  readonly networkManager: boolean;
  readonly networkd: boolean;
}

/** What happened to files, and to what devices these belong. */
export interface Changed {
  readonly persistent: Persistent;
  readonly format: PersistenceFormat;
  readonly files: readonly FileStep[];
  /** Devices that do not run as they should. */
  readonly drifted: ReadonlySet<string>;
  readonly inventory: Inventory;
}

const ACTIVATION_MS = 30_000;

const tell = (kind: string, argv: readonly string[], reason: string, deadlineMs?: number): TellStep => ({
  ...{ kind, key: 'persistence', argv, reason },
  ...(deadlineMs !== undefined && { deadlineMs }),
});

/**
 * What must be done before files go: devices that only their readers made, and that nobody else would take away. An
 * overlay's are the agent's, and stay.
 */
export const planBefore = ({ persistent, files, inventory }: Changed, readers: Readers): readonly TellStep[] => {
  if (persistent.isOverlay) return [];
  const doomed = files.filter(({ wanted }) => wanted === undefined).flatMap(({ path }) => inventory.get(path) ?? []);
  const steps: TellStep[] = [];
  if (readers.networkManager) {
    for (const { path, text, devices } of doomed) {
      const uuid = /^uuid=(?<uuid>[0-9a-f-]{36})$/m.exec(text)?.groups?.['uuid'];
      if (uuid === undefined || !path.startsWith(`${networkManager.directory}/`)) continue;
      const argv = ['nmcli', 'connection', 'delete', 'uuid', uuid];
      steps.push(tell('delete-profile', argv, `${devices.join(' and ')} is to go`, ACTIVATION_MS));
    }
  }
  if (readers.networkd) {
    // networkd changes no device that is there, and takes none away with its unit.
    const units = files.flatMap(({ path }) => (path.endsWith('.netdev') ? (inventory.get(path) ?? []) : []));
    for (const { devices } of units) {
      const [device] = devices;
      if (device !== undefined)
        steps.push(tell('delete-device', ['networkctl', 'delete', device], `${device} is to go, or to be made anew`));
    }
  }
  return steps;
};

/** What readers are told when the files are as they should be. */
export const planAfter = ({ persistent, format, files, drifted }: Changed, readers: Readers): readonly TellStep[] => {
  const touched = (directory: string): readonly FileStep[] =>
    files.filter(({ path }) => path.startsWith(`${directory}/`));
  const steps: TellStep[] = [];
  if (readers.networkManager) {
    if (touched(NETWORK_MANAGER_SETTINGS).length > 0) {
      steps.push(
        tell('reload', ['nmcli', 'general', 'reload', 'conf'], 'what NetworkManager leaves alone has changed'),
      );
    }
    const profiles = touched(networkManager.directory);
    const written = profiles.filter(({ wanted }) => wanted !== undefined).map(({ path }) => path);
    if (written.length > 0) {
      steps.push(
        tell('load-profile', ['nmcli', 'connection', 'load', ...written], 'NetworkManager reads what was written'),
      );
    }
    if (written.length < profiles.length) {
      steps.push(tell('reload', ['nmcli', 'connection', 'reload'], 'NetworkManager forgets what is gone'));
    }
    if (format === 'networkmanager' && !persistent.isOverlay)
      steps.push(...activations(persistent, new Set(written), drifted));
  }
  // udev looks link files up by itself.
  const units = touched(SYSTEMD_NETWORK).filter(({ path }) => !path.endsWith('.link'));
  const isDrifted = format === 'networkd' && !persistent.isOverlay && drifted.size > 0;
  if (readers.networkd && (units.length > 0 || isDrifted)) {
    steps.push(tell('reload', ['networkctl', 'reload'], 'systemd-networkd reads what was written'));
  }
  return steps;
};

const activations = (
  persistent: Persistent,
  written: ReadonlySet<string>,
  drifted: ReadonlySet<string>,
): readonly TellStep[] =>
  profilesOf(persistent)
    .filter(({ path, device }) => written.has(path) || drifted.has(device))
    .map(({ uuid, device }) =>
      tell(
        'activate-profile',
        ['nmcli', '--wait', '20', 'connection', 'up', 'uuid', uuid],
        `${device} is to be there now`,
        ACTIVATION_MS,
      ),
    );

import { DomainError } from '#platform/errors/domain-error.ts';
import type { ConfigFile, ConfigFiles } from '../sys/config-files.ts';
import { deviceNames } from './model/devices.ts';
import type { Persistent } from './model/devices.ts';
import { NETWORK_MANAGER_SETTINGS } from './writers/extras.ts';
import { ownerOf } from './writers/header.ts';
import { WRITERS } from './writers/index.ts';
import { readIni } from './writers/ini.ts';
import type { ConfigText, PersistenceWriter } from './writers/writer.ts';

/** A file of one of the directories that hold persistent configuration. */
export interface Inventoried extends ConfigFile {
  readonly path: string;
  /** Who it was written for, when weft wrote it. */
  readonly owner?: string;
  /** The devices that it is about. */
  readonly devices: readonly string[];
}

/** The files of all formats, whoever wrote them, by path. */
export type Inventory = ReadonlyMap<string, Inventoried>;

const settingsOf: Pick<PersistenceWriter, 'directory' | 'reads' | 'devicesOf'> = {
  directory: NETWORK_MANAGER_SETTINGS,
  reads: (name) => name.endsWith('.conf'),
  devicesOf: () => [],
};

const PLACES = [...Object.values(WRITERS), settingsOf];

/** Reads all of them. Rejects with `internal` when one cannot be read. */
export const takeInventory = async (files: ConfigFiles): Promise<Inventory> => {
  const all = new Map<string, Inventoried>();
  for (const { directory, reads, devicesOf } of PLACES) {
    for (const name of await files.list(directory)) {
      if (!reads(name)) continue;
      const path = `${directory}/${name}`;
      const found = await files.read(path);
      if (found === undefined) continue;
      const owner = ownerOf(found.text);
      all.set(path, { ...found, path, devices: devicesOf(name, found.text), ...(owner !== undefined && { owner }) });
    }
  }
  return all;
};

/** How a file of a path is read back. */
export const readerOf = (path: string): Pick<PersistenceWriter, 'readBack'> =>
  Object.values(WRITERS).find(({ directory }) => path.startsWith(`${directory}/`)) ?? { readBack: readIni };

/** The files that weft wrote for an owner. */
export const filesOfOwner = (inventory: Inventory, owner: string): readonly Inventoried[] =>
  [...inventory.values()].filter((file) => file.owner === owner);

/** Throws `precondition` for a file of somebody else's in the place of ours, or about a device of ours. */
export const refuseConflicts = (persistent: Persistent, wanted: readonly ConfigText[], inventory: Inventory): void => {
  for (const { path } of wanted) {
    const there = inventory.get(path);
    if (there !== undefined && there.owner !== persistent.owner) throw conflict(path, there, 'is in the place of one');
  }
  const macs = persistent.devices.flatMap((each) => (each.kind === 'nic' ? [each.mac as string] : []));
  const names = new Set<string>([...deviceNames(persistent), ...tunnelNames(persistent), ...macs]);
  for (const file of inventory.values()) {
    if (file.owner === persistent.owner) continue;
    const device = file.devices.find((each) => names.has(each));
    if (device !== undefined) throw conflict(file.path, file, `configures ${device}`);
  }
};

const tunnelNames = ({ devices }: Persistent): readonly string[] =>
  devices.flatMap((each) => (each.kind === 'ovs-tunnel' ? [each.name] : []));

const conflict = (path: string, { owner }: Inventoried, what: string): DomainError => {
  const whose = owner === undefined ? "is not weft's" : `was written for ${owner}`;
  return new DomainError(
    'precondition',
    'PERSISTENCE_CONFLICT',
    `${path} ${whose} and ${what}; move it away, or take other names`,
    { details: { path } },
  );
};

import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt } from './attempt.ts';
import { DEFAULT_STATE_ROOT, REGISTRY, registeredLabs } from './store.ts';

/** Where an agent keeps its state; each host of a lab has its own there. */
export const HOST_DATA_DIR = '/var/lib/weft';

/** Tells that a lab made the folder above, and so may remove it. */
const MADE_HERE = join(REGISTRY, '.made-host-data-dir');

/** A host's own folder needs one on this machine to be mounted on; that stays empty and goes with the last lab. */
export const makeMountPoint = (): void => {
  // The note first: a crash in between leaves a note without a folder, which harms nobody.
  if (!existsSync(HOST_DATA_DIR)) writeFileSync(MADE_HERE, '');
  mkdirSync(HOST_DATA_DIR, { recursive: true });
};

/**
 * The last lab takes along the folders that all share, where they are empty. One that is just being made has its name in the
 * registry long before it mounts anything.
 */
export const removeSharedFolders = (): void => {
  if (registeredLabs().length > 0) return;
  if (existsSync(MADE_HERE)) removeEmpty(HOST_DATA_DIR);
  rmSync(MADE_HERE, { force: true });
  removeEmpty(DEFAULT_STATE_ROOT);
  removeEmpty(dirname(MADE_HERE));
};

const removeEmpty = (folder: string): void => {
  attempt(() => {
    rmdirSync(folder);
  }, undefined);
};

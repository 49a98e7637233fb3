import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from './attempt.ts';
import { DEFAULT_STATE_ROOT, REGISTRY, registeredLabs } from './store.ts';

/** Where an agent keeps its state; each host of a lab has its own there. */
export const HOST_DATA_DIR = '/var/lib/weft';

/** Where docker has its settings; each host with docker has its own there. */
export const DOCKER_SETTINGS_DIR = '/etc/docker';

/** Where libvirt has its settings, its state, its logs and what it can do without; each host with libvirt has its own there. */
export const LIBVIRT_DIRS = ['/etc/libvirt', '/var/lib/libvirt', '/var/log/libvirt', '/var/cache/libvirt'] as const;

/** Where network configuration that survives a reboot is, and what NetworkManager remembers; each host has its own there. */
export const NETWORK_FILES = [
  '/etc/NetworkManager',
  '/etc/systemd/network',
  '/etc/sysconfig',
  '/var/lib/NetworkManager',
] as const;

const MOUNT_POINTS = [HOST_DATA_DIR, DOCKER_SETTINGS_DIR, ...LIBVIRT_DIRS, ...NETWORK_FILES] as const;
type MountPoint = (typeof MOUNT_POINTS)[number];

/** Tells that a lab made a folder of this machine, and so may remove it. */
const madeHere = (folder: MountPoint): string => join(REGISTRY, `.made${folder.replaceAll('/', '-')}`);

/** A host's own folder needs one on this machine to be mounted on; that stays empty and goes with the last lab. */
export const makeMountPoint = (folder: MountPoint): void => {
  // The note first: a crash in between leaves a note without a folder, which harms nobody.
  if (!existsSync(folder)) writeFileSync(madeHere(folder), '');
  mkdirSync(folder, { recursive: true });
};

/**
 * The last lab takes along the folders that all share, where they are empty. One that is just being made has its name in the
 * registry long before it mounts anything.
 */
export const removeSharedFolders = (): void => {
  if (registeredLabs().length > 0) return;
  for (const folder of MOUNT_POINTS) {
    if (existsSync(madeHere(folder))) removeEmpty(folder);
    rmSync(madeHere(folder), { force: true });
  }
  removeEmpty(DEFAULT_STATE_ROOT);
  removeEmpty(REGISTRY);
};

const removeEmpty = (folder: string): void => {
  attempt(() => {
    rmdirSync(folder);
  }, undefined);
};

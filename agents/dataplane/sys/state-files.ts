import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StateFiles } from '../model/state-files.ts';
import { openFileStore } from './file-store.ts';

const DISK_MS = 30_000;

/** The agent's state directory, made when it is not there (mode 0700). */
export const openStateFiles = async (directory: string): Promise<StateFiles> => {
  const store = await openFileStore(directory);
  return {
    list: async () => store.list(),
    read: async (name) => store.read(name, AbortSignal.timeout(DISK_MS)),
    write: async (name, text) => {
      await store.write(name, text, AbortSignal.timeout(DISK_MS));
    },
    append: async (name, text) => {
      await appendFile(join(directory, name), text, { mode: 0o600 });
    },
    remove: async (name) => {
      await store.remove(name);
    },
  };
};

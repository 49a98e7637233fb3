import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Files of the host that other programs read too. */
export interface HostFiles {
  /** Undefined where there is no such file. */
  read(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** Full paths of what is in a folder, by name; none where there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** Replaces the file as a whole, mode 0644, with the folder it is in; whoever reads it meanwhile sees one or the other. */
  write(path: string, text: string, signal: AbortSignal): Promise<void>;
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** The files of this process' own mount namespace. */
export const ownFiles: HostFiles = {
  read: async (path, signal) => {
    try {
      return await readFile(path, { encoding: 'utf8', signal });
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  },
  list: async (folder) => {
    try {
      return (await readdir(folder)).sort().map((name) => join(folder, name));
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  },
  write: async (path, text, signal) => {
    await mkdir(dirname(path), { recursive: true });
    // No program reads files of a conf.d that end so.
    const draft = `${path}.weft-draft`;
    await writeFile(draft, text, { mode: 0o644, signal });
    await rename(draft, path);
  },
};

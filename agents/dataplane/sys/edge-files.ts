import { access, chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Files that daemons read who are no longer root. */
export interface EdgeFiles {
  /** Undefined where there is no such file. */
  read(path: string): Promise<string | undefined>;
  exists(path: string): Promise<boolean>;
  /** Replaces the file as a whole, mode 0644, with the folder it is in; whoever reads it meanwhile sees one or the other. */
  write(path: string, text: string): Promise<void>;
  /** A file, or a folder with all in it; nothing happens when it is not there. */
  remove(path: string): Promise<void>;
}

/** The files of this process' own mount namespace. */
export const ownEdgeFiles: EdgeFiles = {
  read: async (path) => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  },
  exists: async (path) => {
    try {
      await access(path);
      return true;
    } catch {
      return false;
    }
  },
  write: async (path, text) => {
    const folder = dirname(path);
    const made = await mkdir(folder, { recursive: true, mode: 0o755 });
    // Whatever the umask is, a daemon that is nobody must get through to its files.
    if (made !== undefined)
      for (let each = folder; each.startsWith(made); each = dirname(each)) await chmod(each, 0o755);
    const draft = `${path}.draft`;
    await writeFile(draft, text);
    await chmod(draft, 0o644);
    await rename(draft, path);
  },
  remove: async (path) => {
    await rm(path, { recursive: true, force: true });
  },
};

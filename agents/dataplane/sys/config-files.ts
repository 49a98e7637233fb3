import { chmod, lstat, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A configuration file as it is. */
export interface ConfigFile {
  readonly text: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
}

/** Configuration that others read is small; what is bigger is none. */
const MAX_BYTES = 1 << 20;

/** Begins with a dot and ends in no suffix that anybody reads. */
const temporaryOf = (path: string): string => join(dirname(path), `.${basename(path)}.weft-new`);

/**
 * Files of the host's configuration, by absolute path. A file is there whole or not at all, with its mode from its first
 * moment on, and belongs to the agent's user; a write survives a power cut. `root` is put before every path.
 */
export class ConfigFiles {
  readonly #root: string;

  constructor(root = '') {
    this.#root = root;
  }

  /** The names of all regular files of a directory, in order; none where there is no such directory. */
  async list(directory: string): Promise<readonly string[]> {
    try {
      const entries = await readdir(this.#at(directory), { withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() || entry.isSymbolicLink())
        .map(({ name }) => name)
        .sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  /** Undefined when there is no such file, or it is too big or too special to be configuration. */
  async read(path: string): Promise<ConfigFile | undefined> {
    try {
      const found = await stat(this.#at(path));
      if (!found.isFile() || found.size > MAX_BYTES) return undefined;
      return { text: await readFile(this.#at(path), 'utf8'), mode: found.mode & 0o7777, uid: found.uid };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Whether there is anything of that name. */
  async has(path: string): Promise<boolean> {
    try {
      await lstat(this.#at(path));
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  /** Makes the directory as well, where it is missing. */
  async write(path: string, text: string, mode: number): Promise<void> {
    const target = this.#at(path);
    const temporary = temporaryOf(target);
    await makeDirectory(dirname(target));
    // What a crash left may have another mode.
    await rm(temporary, { force: true });
    try {
      const file = await open(temporary, 'wx', mode);
      try {
        await file.chmod(mode);
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncDirectory(dirname(target));
  }

  /** Does nothing when there is no such file. */
  async remove(path: string): Promise<void> {
    const target = this.#at(path);
    if (!(await this.has(dirname(path)))) return;
    await rm(target, { force: true });
    await rm(temporaryOf(target), { force: true });
    await syncDirectory(dirname(target));
  }

  #at(path: string): string {
    return `${this.#root}${path}`;
  }
}

/** For all to read, whatever the umask of this process: others than root read configuration too. */
const makeDirectory = async (path: string): Promise<void> => {
  const first = await mkdir(path, { recursive: true });
  for (let made = first === undefined ? '' : path; made.startsWith(first ?? '/'); made = dirname(made)) {
    await chmod(made, 0o755);
  }
};

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** A new name is on the disk once its directory is. */
const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

import { appendFile, chmod, mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { StateFiles } from '../model/state-files.ts';

const TEMPORARY = '.tmp';
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * Files of the agent in a directory that only its user may read, made at the first use; others may pass through it to files
 * of daemons below. `write` survives a power cut and
 * is there whole or not at all; `append` survives the end of this process, and a power cut may take its last lines or
 * cut one off. Whoever cannot have the directory is told so with `precondition`.
 */
export class FileStore implements StateFiles {
  readonly #directory: string;
  readonly #last = new Map<string, Promise<unknown>>();
  #opened: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Names of all files, in order. */
  async list(): Promise<readonly string[]> {
    await this.#open();
    return (await readdir(this.#directory)).filter((name) => !name.endsWith(TEMPORARY)).sort();
  }

  /** Undefined when there is no such file. */
  async read(name: string): Promise<string | undefined> {
    return await this.#inTurn(name, async (path) => {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  async write(name: string, text: string): Promise<void> {
    await this.#inTurn(name, async (path) => {
      const temporary = `${path}${TEMPORARY}`;
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      await this.#syncDirectory();
    });
  }

  async append(name: string, text: string): Promise<void> {
    await this.#inTurn(name, async (path) => {
      await appendFile(path, text, { mode: 0o600 });
    });
  }

  /** Does nothing when there is no such file. */
  async remove(name: string): Promise<void> {
    await this.#inTurn(name, async (path) => {
      await rm(path, { force: true });
      await this.#syncDirectory();
    });
  }

  /** One step at a time per file; a step that failed does not fail the next. */
  async #inTurn<T>(name: string, step: (path: string) => Promise<T>): Promise<T> {
    if (!FILE_NAME.test(name) || name.endsWith(TEMPORARY)) {
      throw invalidField('file', name, 'is not the name of a file of the state directory');
    }
    const before = this.#last.get(name) ?? Promise.resolve();
    const done = before.then(async () => {
      await this.#open();
      return await step(join(this.#directory, name));
    });
    const settled = done.catch(() => undefined);
    this.#last.set(name, settled);
    try {
      return await done;
    } finally {
      if (this.#last.get(name) === settled) this.#last.delete(name);
    }
  }

  async #open(): Promise<void> {
    this.#opened ??= this.#makeDirectory();
    try {
      await this.#opened;
    } catch (cause) {
      this.#opened = undefined;
      throw new DomainError('precondition', 'STATE_DIRECTORY', `${this.#directory} cannot be the state directory`, {
        cause,
      });
    }
  }

  async #makeDirectory(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o711 });
    await chmod(this.#directory, 0o711);
  }

  /** A new name is on the disk once its directory is. */
  async #syncDirectory(): Promise<void> {
    const handle = await open(this.#directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

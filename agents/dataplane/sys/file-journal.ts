import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LineJournal } from '../model/line-journal.ts';

/**
 * A file of lines, opened at the first use. What is added survives the end of this process; a power cut may take the last
 * lines. Synchronous: a line goes to the page cache in microseconds, which is less than it takes to wait for it.
 */
export class FileJournal implements LineJournal {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  read(): readonly string[] {
    try {
      const lines = readFileSync(this.#path, 'utf8').split('\n');
      // Without its newline the last line was cut off.
      lines.pop();
      return lines;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  }

  replace(lines: readonly string[]): void {
    this.close();
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const temporary = `${this.#path}.tmp`;
    const file = openSync(temporary, 'w', 0o600);
    try {
      writeSync(file, lines.map((line) => `${line}\n`).join(''));
    } finally {
      closeSync(file);
    }
    renameSync(temporary, this.#path);
  }

  add(line: string): void {
    this.#file ??= openSync(this.#path, 'a', 0o600);
    writeSync(this.#file, `${line}\n`);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LineSplitter } from './line-splitter.ts';

/** How a process went away: by itself with a status, or not by its own doing (signal, could not be started). */
export type Ending = { readonly status: number } | { readonly cause: string };

/** What one `-batch -` process tells its owner. */
export interface BatchProcessListener {
  /** Line `line` (1 is the first written) failed with these words. */
  failed(line: number, text: string): void;
  /** stdin takes more. */
  drained(): void;
  /** It is gone; `text` is what it said after the last failed line. Told once, after everything else. */
  ended(ending: Ending, text: string): void;
}

const FAILED = /^Command failed -:(?<line>\d+)$/;
// What follows is said without the line failing.
const WARNING = 'Warning:';

/** One `ip -force -batch -` or `bridge -force -batch -` process: lines in, failures by line number out. */
export class BatchProcess {
  readonly #child: ChildProcessByStdio<Writable, null, Readable>;
  readonly #listener: BatchProcessListener;
  #words: string[] = [];
  #lines = 0;
  #resting: NodeJS.Timeout | undefined;
  #spawnError: string | undefined;

  constructor(argv: readonly string[], env: Readonly<Record<string, string>>, listener: BatchProcessListener) {
    this.#listener = listener;
    const [program = '', ...rest] = argv;
    this.#child = spawn(program, rest, { env, stdio: ['pipe', 'ignore', 'pipe'] });
    favour(this.#child.pid);
    const splitter = new LineSplitter((line) => {
      this.#hear(line);
    });
    this.#child.stderr.setEncoding('utf8');
    this.#child.stderr.on('data', (chunk: string) => {
      splitter.push(chunk);
    });
    this.#child.stdin.on('drain', () => {
      this.#listener.drained();
    });
    // EPIPE: it went away while we wrote; `close` tells the rest.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => {
      this.#spawnError = error.message;
    });
    this.#child.on('close', (status, killedBy) => {
      splitter.end();
      const ending =
        status === null || this.#spawnError !== undefined
          ? { cause: this.#spawnError ?? `killed by ${killedBy ?? 'an unknown signal'}` }
          : { status };
      this.#listener.ended(ending, this.#words.join(' '));
    });
  }

  /** How many lines were written so far. */
  get lines(): number {
    return this.#lines;
  }

  /** Writes `count` lines, each ended by a newline; false when no more should be written before `drained`. */
  write(text: string, count: number): boolean {
    this.#lines += count;
    return this.#child.stdin.write(text);
  }

  /** Leaves what it answers unread for so long: whoever asked is in no hurry, and others may want the processor first. */
  rest(ms: number): void {
    if (this.#resting !== undefined) return;
    this.#child.stderr.pause();
    this.#resting = setTimeout(() => {
      this.wake();
    }, ms);
  }

  /** Reads answers again. */
  wake(): void {
    if (this.#resting === undefined) return;
    clearTimeout(this.#resting);
    this.#resting = undefined;
    this.#child.stderr.resume();
  }

  /** Lets it end once it has read everything. */
  end(): void {
    this.wake();
    this.#child.stdin.end();
  }

  kill(): void {
    this.wake();
    this.#child.kill('SIGKILL');
  }

  #hear(line: string): void {
    const failed = FAILED.exec(line)?.groups?.['line'];
    if (failed === undefined) {
      if (line !== '' && !line.startsWith(WARNING)) this.#words.push(line);
      return;
    }
    const text = this.#words.length === 0 ? 'failed without a word' : this.#words.join(' ');
    this.#words = [];
    this.#listener.failed(Number(failed), text);
  }
}

/** What it is told is done before whoever told it goes on: it takes microseconds, and somebody's packets wait for it. */
const NICENESS = -10;

const favour = (pid: number | undefined): void => {
  try {
    if (pid !== undefined) setPriority(pid, NICENESS);
  } catch {
    // Without CAP_SYS_NICE it takes its turn like all others.
  }
};

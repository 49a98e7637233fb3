import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type ProcessIdentity, processIdentity, signalProcess } from '../../cli/lab/proc.ts';

const SESSION = path.join(import.meta.dirname, 'session.bash');
/** Characters of one block's output; more is a mistake of the page, and must not fill the memory. */
const MOST_OUTPUT = 1 << 20;
/** What may still be on its way from a bash that has ended. */
const DRAIN_MS = 200;
const HANG_UP_MS = 2_000;

/** What bash said at the end of a block, or its own end. */
export interface Report {
  /** `done`: it waits for the next block. `ended`: a failure or `exit` ended it, and it runs one more. `gone`: it is no more. */
  readonly state: 'done' | 'ended' | 'gone';
  /** Standard output and standard error since the report before, in the order they were written. */
  readonly output: string;
  readonly status: number;
  /** Where the command stands that failed, as bash counts lines; 0 when it does not know. */
  readonly line: number;
}

export interface ShellOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What no output has in it by chance. It is the variable GUIDE_RUN of all that is started. */
  readonly mark: string;
  /** Called when a block prints more than anybody would read. */
  readonly onFlood: () => void;
}

/** A bash that runs session.bash, in a session of its own, so that a Ctrl-C is not for it. Who starts it ends it. */
export class Shell {
  readonly identity: ProcessIdentity;
  readonly #output: Readable;
  readonly #commands: Writable;
  readonly #mark: RegExp;
  readonly #onFlood: () => void;
  readonly #reports: Report[] = [];
  readonly #gone = Promise.withResolvers<void>();
  #text = '';
  #waiting: PromiseWithResolvers<Report> | undefined;

  /** Throws an Error when bash does not start. */
  constructor({ env, cwd, mark, onFlood }: ShellOptions) {
    const child = spawn('bash', [SESSION], {
      cwd,
      env: { ...env, GUIDE_RUN: mark },
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
    });
    // Told by the missing pid.
    child.on('error', () => undefined);
    const identity = child.pid === undefined ? undefined : processIdentity(child.pid);
    if (identity === undefined || child.stdout === null) throw new Error(`bash cannot be started in ${cwd}`);
    this.identity = identity;
    this.#mark = new RegExp(`\0${mark} (done|ended) (\\d+) (\\d+)\n`);
    this.#onFlood = onFlood;
    this.#output = child.stdout;
    this.#output.setEncoding('utf8').on('data', (text: string) => {
      this.#take(text);
    });
    this.#commands = child.stdio[3] as Writable;
    // That bash has ended is told by its exit.
    this.#commands.on('error', () => undefined);
    child.once('exit', (code) => {
      // What it has started may hold both open.
      this.#commands.destroy();
      const timer = setTimeout(() => this.#output.destroy(), DRAIN_MS);
      child.once('close', () => {
        clearTimeout(timer);
        this.#report({ state: 'gone', output: this.#text, status: code ?? 128, line: 0 });
        this.#text = '';
        this.#gone.resolve();
      });
    });
  }

  /** Has it run a file: `here`, in the shell itself, or `apart`, in a subshell. */
  send(how: 'here' | 'apart', file: string): void {
    this.#commands.write(`${how} ${file}\n`);
  }

  /** The next report that was not asked for yet. The one of its end is the last. */
  async next(): Promise<Report> {
    const report = this.#reports.shift();
    if (report !== undefined) return report;
    this.#waiting = Promise.withResolvers<Report>();
    return await this.#waiting.promise;
  }

  signal(name: NodeJS.Signals): void {
    signalProcess(this.identity, name);
  }

  /** No more blocks: resolves when it is gone, by SIGKILL when it does not go by itself. What it has started lives on. */
  async end(): Promise<void> {
    this.#commands.end();
    const timer = setTimeout(() => {
      this.signal('SIGKILL');
    }, HANG_UP_MS);
    await this.#gone.promise;
    clearTimeout(timer);
  }

  #take(text: string): void {
    this.#text += text;
    for (let found = this.#mark.exec(this.#text); found !== null; found = this.#mark.exec(this.#text)) {
      const [mark, state, status, line] = found;
      const output = this.#text.slice(0, found.index);
      this.#text = this.#text.slice(found.index + mark.length);
      this.#report({ state: state === 'done' ? state : 'ended', output, status: Number(status), line: Number(line) });
    }
    if (this.#text.length <= MOST_OUTPUT) return;
    this.#text = this.#text.slice(-4_096);
    this.#onFlood();
  }

  #report(report: Report): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#reports.push(report);
    else waiting.resolve(report);
  }
}

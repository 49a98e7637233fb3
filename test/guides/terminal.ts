import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import { endProcesses } from '../../cli/lab/end.ts';
import { allProcesses, hasMark, type ProcessIdentity, type ProcessInfo } from '../../cli/lab/proc.ts';
import { type Report, Shell } from './shell.ts';

const WEFT = path.join(import.meta.dirname, '../../cli/weft.ts');
const GRACE_MS = 2_000;
/** More than `endProcesses` takes. */
const END_MS = 60_000;

/** How a block ended. */
export interface Ending extends Report {
  /** Why it did not come to its end; `flood`: it printed more than anybody would read. */
  readonly cut: 'deadline' | 'interrupt' | 'flood' | undefined;
}

/** What is run, and where it stands on the page. */
interface Typed {
  readonly text: string;
  /** The line before the first one of `text`, from 1. */
  readonly line: number;
}

/**
 * The terminal of somebody who follows a page: one bash, in which variables, functions, folder and jobs are kept from block
 * to block. It begins in an empty folder of its own, which goes with it, and has `weft` on its PATH; of this process's
 * environment it has HOME, USER and PATH. Who opens it closes it.
 */
export class Terminal {
  readonly #dir: string;
  readonly #page: string;
  readonly #mark = randomUUID();
  readonly #leaders: ProcessIdentity[] = [];
  #shell: Shell | undefined;
  #onFlood = (): void => undefined;

  private constructor(dir: string, page: string) {
    this.#dir = dir;
    this.#page = path.join(dir, 'page', page);
  }

  /** `page` is the name by which bash calls the page in its complaints. */
  static async open(page: string): Promise<Terminal> {
    const dir = await mkdtemp(path.join(tmpdir(), 'weft-guide-'));
    for (const folder of ['bin', 'page', 'here']) await mkdir(path.join(dir, folder));
    const weft = `#!/bin/sh\nexec '${process.execPath}' '${WEFT}' "$@"\n`;
    await writeFile(path.join(dir, 'bin/weft'), weft, { mode: 0o755 });
    return new Terminal(dir, page);
  }

  /**
   * Runs a block and resolves when it has ended. At its deadline and at an abort it is ended, and with it all that the session
   * has started. `here`, a command that fails ends the session, which then runs one more block; `apart`, in a
   * subshell, it ends the subshell. A session that is gone is followed by a new one.
   */
  async run(block: Typed, how: 'here' | 'apart', deadlineMs: number, signal: AbortSignal): Promise<Ending> {
    // So that bash counts lines as the page does.
    await writeFile(this.#page, '\n'.repeat(block.line) + block.text);
    const shell = (this.#shell ??= this.#begin());
    const cut = Promise.withResolvers<NonNullable<Ending['cut']>>();
    const onAbort = (): void => {
      cut.resolve('interrupt');
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const deadline = setTimeout(() => {
      cut.resolve('deadline');
    }, deadlineMs);
    this.#onFlood = () => {
      cut.resolve('flood');
    };
    shell.send(how, this.#page);
    const reported = shell.next();
    const first = await Promise.race([reported, cut.promise]);
    clearTimeout(deadline);
    signal.removeEventListener('abort', onAbort);
    // Should it not let itself be interrupted, what follows is not for it.
    this.#shell = undefined;
    const ending =
      typeof first === 'string'
        ? { ...(await this.#interrupt(shell, reported)), cut: first }
        : { ...first, cut: undefined };
    if (ending.state !== 'gone') this.#shell = shell;
    return ending;
  }

  /**
   * Ends the session and whatever it has started that still runs, and removes its folder. Resolves with the names of what had
   * to be ended: what is about to end anyway gets two seconds for it.
   */
  async close(): Promise<readonly string[]> {
    await this.#shell?.end();
    const late = performance.now() + GRACE_MS;
    while (this.#started().length > 0 && performance.now() < late) await sleep(20, AbortSignal.timeout(END_MS));
    const left = this.#started().map(({ command, pid }) => `${command} (process ${pid})`);
    await endProcesses(() => this.#started(), GRACE_MS, AbortSignal.timeout(END_MS));
    await rm(this.#dir, { recursive: true, force: true });
    return left;
  }

  #begin(): Shell {
    const { HOME = '/', USER = 'root', PATH = '/usr/sbin:/usr/bin:/sbin:/bin' } = process.env;
    const env = { HOME, USER, LANG: 'C.UTF-8', TERM: 'dumb', NO_COLOR: '1', PATH: `${this.#dir}/bin:${PATH}` };
    const onFlood = (): void => this.#onFlood();
    const shell = new Shell({ env, cwd: path.join(this.#dir, 'here'), mark: this.#mark, onFlood });
    this.#leaders.push(shell.identity);
    return shell;
  }

  async #interrupt(shell: Shell, reported: Promise<Report>): Promise<Report> {
    shell.signal('SIGTERM');
    await endProcesses(
      () => this.#started().filter(({ pid }) => pid !== shell.identity.pid),
      GRACE_MS,
      AbortSignal.timeout(END_MS),
    );
    const stuck = setTimeout(() => {
      shell.signal('SIGKILL');
    }, GRACE_MS);
    let report = await reported;
    // The block may have been done at the last moment; the signal still ends the session.
    while (report.state === 'done') report = { ...(await shell.next()), output: report.output };
    clearTimeout(stuck);
    return report;
  }

  /** What the session and those before it have started; daemons too, unless they were given another environment. */
  #started(): readonly ProcessInfo[] {
    return allProcesses().filter(
      ({ pid, session, startTime }) =>
        this.#leaders.some((leader) => session === leader.pid && startTime >= leader.startTime) ||
        hasMark(pid, `GUIDE_RUN=${this.#mark}`),
    );
  }
}

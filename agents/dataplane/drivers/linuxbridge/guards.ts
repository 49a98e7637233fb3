import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { SpoofedFrames } from '../../model/port-security.ts';
import type { CommandRunner } from '../../sys/command.ts';
import { MonitorChild } from '../../sys/monitor-child.ts';
import { afterScript, NO_GUARDS, parseGuards, parseSpoofed } from './guard-dump.ts';
import type { ObservedGuards } from './guard-dump.ts';
import { GUARD_TABLE } from './guard-rules.ts';

/** Transactions that somebody waits for. */
interface Job {
  readonly scripts: readonly string[];
  readonly signal: AbortSignal;
  readonly resolve: (answers: readonly (string | undefined)[]) => void;
  readonly reject: (reason: unknown) => void;
}

/** What it needs of the host. */
export interface GuardTools {
  readonly commands: CommandRunner;
  /** Enters another namespace. */
  readonly prefix: readonly string[];
  /** Somebody else changed the table, or may have. */
  readonly onForeign: (message: string) => void;
}

const LIST = ['nft', '-s', 'list', 'table', 'bridge', GUARD_TABLE] as const;
const COUNTERS = ['nft', 'list', 'counters', 'table', 'bridge', GUARD_TABLE] as const;
const ABSENT = 'No such file or directory';
/** Own processes that the monitor may still tell of. */
const REMEMBERED = 64;

const GENERATION = /^# new generation \d+ by process (\d+) /;
/** What it says when the kernel's buffer overran. */
const LOST = '# ERROR';
const OURS = new RegExp(String.raw`\bbridge ${GUARD_TABLE}(?: |$)`);

/**
 * The agent's table of nftables: what is in it, changes of it by one process at a time, and word of changes that others
 * make. What was read holds until somebody changes the table.
 */
export class Guards {
  readonly #tools: GuardTools;
  readonly #monitor: MonitorChild;
  readonly #own: number[] = [];
  #known: ObservedGuards = { ...NO_GUARDS, table: 'unknown' };
  /** Counts changes, so that what was read before one is not taken for news. */
  #changes = 0;
  #readAt = -1;
  #reading: { readonly at: number; readonly done: Promise<void> } | undefined;
  #isListening = false;
  #isTouched = false;
  readonly #waiting: Job[] = [];
  #isWriting = false;
  readonly #halt = new AbortController();

  constructor(tools: GuardTools) {
    this.#tools = tools;
    this.#monitor = new MonitorChild(
      {
        // Into a pipe it would write when it has gathered some 4 KiB.
        argv: ['stdbuf', '-oL', 'nft', 'monitor'],
        prefix: tools.prefix,
        niceness: 10,
        netlinkFamily: NETLINK_NETFILTER,
      },
      {
        line: (line) => {
          this.#hear(line);
        },
        subscribed: () => {
          this.#isListening = true;
          this.#changes += 1;
        },
        lost: (why) => {
          const wasListening = this.#isListening;
          this.#isListening = false;
          this.#changes += 1;
          if (wasListening) tools.onForeign(`nft monitor: ${why}`);
        },
      },
    );
  }

  /** As last read or written. */
  get known(): ObservedGuards {
    return this.#known;
  }

  /** Without nft there is nobody to listen to; that ports cannot be guarded then is told where they are plugged. */
  async watch(signal: AbortSignal): Promise<void> {
    await this.#monitor.start(signal).catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    await this.#monitor.stop();
  }

  /** What is there; at no cost when nobody has changed it since the last time. Never rejects but for an abort. */
  async read(signal: AbortSignal): Promise<ObservedGuards> {
    while (!this.#isListening || this.#readAt !== this.#changes || this.#reading !== undefined) {
      const at = this.#changes;
      if (this.#reading?.at !== at) this.#reading = { at, done: this.#read(at, signal) };
      const { done } = this.#reading;
      await done;
      signal.throwIfAborted();
      if (this.#readAt === at && at === this.#changes) break;
    }
    return this.#known;
  }

  /**
   * Does transactions, with those that others ask for meanwhile, all in one when that goes; what does not go is told from the
   * rest by halves. One answer per script.
   */
  async run(scripts: readonly string[], signal: AbortSignal): Promise<readonly (string | undefined)[]> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<readonly (string | undefined)[]>();
    this.#waiting.push({ scripts, signal, resolve, reject });
    if (!this.#isWriting) {
      this.#isWriting = true;
      void this.#write();
    }
    return await promise;
  }

  /** Never rejects. Nothing may be waited for between the last look at who waits and the word that nobody writes. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const jobs: Job[] = [];
      for (const job of this.#waiting.splice(0)) {
        if (job.signal.aborted) job.reject(job.signal.reason);
        else jobs.push(job);
      }
      try {
        const scripts = jobs.flatMap((job) => job.scripts);
        const answers = [...(await this.#executeAll(scripts, this.#halt.signal))];
        for (const { scripts: own, resolve } of jobs) resolve(answers.splice(0, own.length));
      } catch (error) {
        for (const { reject } of jobs) reject(error);
      }
    }
    this.#isWriting = false;
  }

  async #executeAll(scripts: readonly string[], signal: AbortSignal): Promise<readonly (string | undefined)[]> {
    if (scripts.length === 0) return [];
    const error = await this.#execute(scripts.join('\n'), signal);
    if (error === undefined || scripts.length === 1) return scripts.map(() => error);
    const half = Math.ceil(scripts.length / 2);
    const first = await this.#executeAll(scripts.slice(0, half), signal);
    return [...first, ...(await this.#executeAll(scripts.slice(half), signal))];
  }

  /** What was dropped of these devices. Rejects as the command does; nothing was where there is no table. */
  async spoofed(devices: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, SpoofedFrames>> {
    const { status, stdout } = await this.#tools.commands.run(COUNTERS, signal);
    return parseSpoofed(status === 0 ? stdout : '', devices);
  }

  async #execute(script: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const { status, stderr } = await this.#tools.commands.run(['nft', '-f', '-'], signal, {
        input: `${script}\n`,
        onStart: (pid) => {
          this.#own.push(pid);
          if (this.#own.length > REMEMBERED) this.#own.shift();
        },
      });
      if (status !== 0) return firstLine(stderr);
      this.#known = afterScript(this.#known, script);
      return undefined;
    } catch (thrown) {
      signal.throwIfAborted();
      return toError(thrown).message;
    } finally {
      this.#changes += 1;
    }
  }

  async #read(at: number, signal: AbortSignal): Promise<void> {
    let guards: ObservedGuards;
    try {
      const { status, stdout, stderr } = await this.#tools.commands.run(LIST, signal);
      if (status === 0) guards = parseGuards(stdout);
      else guards = stderr.includes(ABSENT) ? NO_GUARDS : { ...NO_GUARDS, table: 'unknown' };
    } catch {
      guards = { ...NO_GUARDS, table: 'unknown' };
    } finally {
      if (this.#reading?.at === at) this.#reading = undefined;
    }
    if (at !== this.#changes) return;
    this.#known = guards;
    this.#readAt = at;
  }

  /** Lines of a change come before the line that tells who made it. */
  #hear(line: string): void {
    const by = GENERATION.exec(line)?.[1];
    if (by === undefined) {
      this.#isTouched ||= OURS.test(line);
      if (!line.startsWith(LOST)) return;
      this.#changes += 1;
      this.#tools.onForeign(`nft monitor: ${line}`);
      return;
    }
    const isForeign = this.#isTouched && !this.#own.includes(Number(by));
    this.#isTouched = false;
    if (!isForeign) return;
    this.#changes += 1;
    this.#tools.onForeign(`the rules for guests were changed by process ${by}`);
  }
}

/** netlink(7). */
const NETLINK_NETFILTER = 12;

const firstLine = (text: string): string =>
  text.split('\n').find((line) => line.trim() !== '') ?? 'nft failed without a word';

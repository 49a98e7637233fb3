import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { TOOL_ENVIRONMENT } from './environment.ts';
import { LineSplitter } from './line-splitter.ts';

/** What is watched, e.g. `['ip', '-o', 'monitor', 'link']`. */
export interface MonitorOptions {
  readonly argv: readonly string[];
  readonly prefix?: readonly string[];
  /** 0 (default) to 19: how readily it lets others have the CPU. */
  readonly niceness?: number;
  /** How long what has come is left to gather before it is read, so that many lines cost one turn; 0 (default): not at all. */
  readonly gatherMs?: number;
  /** For a program that listens to something else than netlink: it counts as subscribed when it has lived for so long. */
  readonly settleMs?: number;
  /**
   * Whether it is ended, and started again, when the kernel's buffer overran. The kernel tells of an overrun ahead of what was
   * in the buffer by then (netlink(7)): who reads on hears old words after having looked, and the newer ones were lost.
   */
  readonly endsOnOverrun?: boolean;
  /** Which family of netlink it listens to (netlink(7)): 0, NETLINK_ROUTE, by default. */
  readonly netlinkFamily?: number;
}

export interface MonitorListener {
  line(line: string): void;
  /** The kernel's events reach it from now on: at start, and again after each time it was lost. */
  subscribed(): void;
  /** Events were lost: the kernel's buffer overran, or the monitor ended and is started again. */
  lost(why: string): void;
}

const OVERRUN = 'No buffer space available';
const BACKOFF = { baseMs: 20, maxMs: 5_000 };
const SUBSCRIBE_WITHIN_MS = 5_000;

/**
 * A long-lived `ip monitor`, or what tells of events likewise, started again whenever it ends, until stopped. The kernel ends
 * it when this process dies, however it dies, since it would not notice before the next event. Whoever makes it stops it.
 */
export class MonitorChild {
  readonly #argv: readonly string[];
  readonly #niceness: number;
  readonly #gatherMs: number;
  readonly #settleMs: number | undefined;
  readonly #endsOnOverrun: boolean;
  readonly #netlinkFamily: number;
  readonly #listener: MonitorListener;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: MonitorOptions, listener: MonitorListener) {
    this.#argv = [...(options.prefix ?? []), 'setpriv', '--pdeathsig', 'KILL', ...options.argv];
    this.#niceness = options.niceness ?? 0;
    this.#gatherMs = options.gatherMs ?? 0;
    this.#settleMs = options.settleMs;
    this.#endsOnOverrun = options.endsOnOverrun ?? false;
    this.#netlinkFamily = options.netlinkFamily ?? 0;
    this.#listener = listener;
  }

  /** Resolves once it is subscribed; rejects with `unavailable` when it cannot be started. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const first = Promise.withResolvers<void>();
    this.#running = this.#keepRunning(first);
    const abort = (): void => {
      first.reject(toError(signal.reason));
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      await first.promise;
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Nothing of it runs, and the listener hears nothing, afterwards. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #keepRunning(first: PromiseWithResolvers<void>): Promise<void> {
    const halt = this.#stopping.signal;
    for (let failures = 0; !halt.aborted; failures += 1) {
      const why = await this.#runOnce(() => {
        failures = 0;
        first.resolve();
      });
      if (halt.aborted) break;
      first.reject(new DomainError('unavailable', 'MONITOR_UNAVAILABLE', `${this.#argv.join(' ')}: ${why}`));
      this.#listener.lost(why);
      await sleep(backoffMs(failures, BACKOFF, Math.random), halt).catch(() => undefined);
    }
  }

  /** Resolves with why it ended. */
  async #runOnce(onSubscribed: () => void): Promise<string> {
    const halt = this.#stopping.signal;
    const [program = '', ...rest] = this.#argv;
    const child = spawn(program, rest, { env: { ...TOOL_ENVIRONMENT }, stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = (): void => {
      child.kill('SIGKILL');
    };
    halt.addEventListener('abort', kill, { once: true });
    let words = '';
    const out = new LineSplitter((line) => {
      if (!halt.aborted) this.#listener.line(line);
    });
    const err = new LineSplitter((line) => {
      words = line;
      if (!line.includes(OVERRUN) || halt.aborted) return;
      // Its end is a loss like this one.
      if (this.#endsOnOverrun) kill();
      else this.#listener.lost(line);
    });
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out.push(chunk);
      if (this.#gatherMs === 0) return;
      child.stdout.pause();
      setTimeout(() => {
        child.stdout.resume();
      }, this.#gatherMs);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      err.push(chunk);
    });
    const ended = Promise.withResolvers<string>();
    child.on('error', (error) => {
      ended.resolve(error.message);
    });
    child.on('close', (status, killedBy) => {
      err.end();
      ended.resolve(
        `ended by ${status === null ? (killedBy ?? 'a signal') : `status ${status.toString()}`} ${words}`.trim(),
      );
    });
    try {
      const subscribed = await Promise.race([ended.promise.then(() => false), this.#subscription(child)]);
      if (subscribed && !halt.aborted) {
        this.#listener.subscribed();
        onSubscribed();
      } else {
        kill();
      }
      return await ended.promise;
    } finally {
      halt.removeEventListener('abort', kill);
    }
  }

  /** Whether the process came to listen: it does not say so itself. */
  async #subscription(child: ChildProcess): Promise<boolean> {
    const { pid } = child;
    if (pid === undefined) return false;
    if (this.#settleMs !== undefined) {
      await sleep(this.#settleMs, this.#stopping.signal).catch(() => undefined);
      return child.exitCode === null && child.signalCode === null;
    }
    const end = performance.now() + SUBSCRIBE_WITHIN_MS;
    while (performance.now() < end && child.exitCode === null && !this.#stopping.signal.aborted) {
      if (await listensToNetlink(pid, this.#netlinkFamily)) {
        if (this.#niceness !== 0) setPriority(pid, this.#niceness);
        return true;
      }
      await sleep(1, this.#stopping.signal).catch(() => undefined);
    }
    return false;
  }
}

/** Reads /proc/PID/net/netlink, which is that of the process' own network namespace: `sk Eth Pid Groups …`. */
const listensToNetlink = async (pid: number, family: number): Promise<boolean> => {
  const table = await readFile(`/proc/${pid.toString()}/net/netlink`, 'utf8').catch(() => '');
  return table.split('\n').some((row) => {
    const [, protocol, port, groups = '0'] = row.trim().split(/\s+/);
    return protocol === family.toString() && port === pid.toString() && Number.parseInt(groups, 16) !== 0;
  });
};

import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { backoffMs } from '#platform/async/backoff.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';

export interface SupervisedOptions {
  readonly name: string;
  /** Program and arguments. */
  readonly argv: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Where its output goes. */
  readonly logFile: string;
  /** Resolves once it can be used; rejects, or is cut off, otherwise. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly log: Log;
}

const READY_MS = 20_000;
const TERM_MS = 5_000;
const RESTART = { baseMs: 50, maxMs: 5_000 };
/** A child that ran this long had started well: the next restart is at once again. */
const HEALTHY_MS = 10_000;

/**
 * A child process that is started again whenever it ends, and ends with its parent, however that ends (the kernel sees to
 * it: prctl(2), PR_SET_PDEATHSIG).
 */
export class Supervised implements Component {
  readonly name: string;
  readonly #options: SupervisedOptions;
  readonly #halt = new AbortController();
  #child: ChildProcess | undefined;
  #running: Promise<void> | undefined;
  #output: WriteStream | undefined;

  constructor(options: SupervisedOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#output = createWriteStream(this.#options.logFile, { flags: 'a', mode: 0o600 });
    const first = Promise.withResolvers<undefined>();
    this.#running = this.#run(first);
    try {
      await withDeadline(READY_MS, signal, async () => first.promise);
    } catch (thrown) {
      await this.stop(signal);
      throw new DomainError(
        'unavailable',
        'CHILD_NOT_READY',
        `${this.name} did not start: see ${this.#options.logFile}`,
        {
          cause: thrown,
        },
      );
    }
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', `${this.name} is stopping`));
    const child = this.#child;
    if (child !== undefined) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), TERM_MS);
      const onAbort = (): void => {
        child.kill('SIGKILL');
      };
      signal.addEventListener('abort', onAbort, { once: true });
      await this.#running;
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
    } else await this.#running;
    this.#output?.end();
  }

  async #run(first: PromiseWithResolvers<undefined>): Promise<void> {
    const { log, ready } = this.#options;
    const { signal } = this.#halt;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const started = Date.now();
      const ended = this.#spawn();
      const abandoned = new AbortController();
      void ended.then((how) => {
        abandoned.abort(new DomainError('unavailable', 'CHILD_ENDED', `${this.name} ended ${how}`));
      });
      try {
        await withDeadline(READY_MS, abandoned.signal, ready);
        log.info({ child: this.name, pid: this.#child?.pid }, 'child is ready');
        first.resolve(undefined);
      } catch (thrown) {
        if (attempt === 0) first.reject(thrown);
        this.#child?.kill('SIGKILL');
      }
      const how = await ended;
      this.#child = undefined;
      if (signal.aborted) return;
      if (Date.now() - started > HEALTHY_MS) attempt = -1;
      log.warn({ child: this.name, how }, 'child ended, starting it again');
      await sleep(backoffMs(Math.max(0, attempt), RESTART, Math.random), signal).catch(() => undefined);
    }
  }

  /** Resolves, once it has ended, with how. */
  async #spawn(): Promise<string> {
    const { argv, env } = this.#options;
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env !== undefined && { env: { ...env } }),
    });
    this.#child = child;
    if (this.#output !== undefined) {
      child.stdout.pipe(this.#output, { end: false });
      child.stderr.pipe(this.#output, { end: false });
    }
    const { promise, resolve } = Promise.withResolvers<string>();
    child.once('error', (error) => {
      resolve(`before it began: ${error.message}`);
    });
    child.once('exit', (code, signal) => {
      resolve(signal === null ? `with exit code ${String(code)}` : `by ${signal}`);
    });
    return await promise;
  }
}

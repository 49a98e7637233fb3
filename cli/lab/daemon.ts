import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { DomainError } from '#platform/errors/domain-error.ts';
import { sleep } from '#platform/async/sleep.ts';
import { isAlive, processArguments, processIdentity } from './proc.ts';
import type { ProcessIdentity } from './proc.ts';

const ARRIVAL_MS = 10_000;

export interface Launch {
  /** What puts the program into its namespaces and ends in `--`, e.g. `nsenter … --`. */
  readonly enter: readonly string[];
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** The file its output is appended to. */
  readonly log: string;
}

/**
 * Starts a program in a session of its own, which outlives this process, and tells who it is; it may still be on its way
 * into its namespaces (`arrived`). Throws `precondition` when it cannot be started.
 */
export const launch = (what: Launch): ProcessIdentity => {
  const [program = '', ...args] = [...what.enter, ...what.argv];
  const log = openSync(what.log, 'a', 0o600);
  try {
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', log, log],
      env: what.env,
      cwd: what.cwd,
    });
    // Told by the missing pid below.
    child.on('error', () => undefined);
    child.unref();
    const identity = child.pid === undefined ? undefined : processIdentity(child.pid);
    if (identity === undefined) {
      throw new DomainError('precondition', 'COMMAND_NOT_STARTED', `${program} cannot be started in ${what.cwd}`);
    }
    return identity;
  } finally {
    closeSync(log);
  }
};

/**
 * Resolves once the program itself runs, in its namespaces. Rejects with `unavailable` and the last lines of its log when it
 * ends, with `deadline` after a while.
 */
export const arrived = async (identity: ProcessIdentity, what: Launch, signal: AbortSignal): Promise<void> => {
  const name = what.argv.join(' ');
  await until(identity, name, what.log, ARRIVAL_MS, () => !isOnItsWay(processArguments(identity.pid), what), signal);
};

/** Whether the arguments are still those of a launcher: some end of `enter`, its last word being `--`, and then the program's. */
const isOnItsWay = (now: readonly string[], what: Launch): boolean => {
  const before = now.length - what.argv.length;
  if (now.length === 0) return true;
  return before > 0 && now[before - 1] === '--' && what.argv.every((word, at) => now[before + at] === word);
};

/** Looks again every few milliseconds until `condition` holds, as long as the process lives; rejects as `arrived` does. */
export const until = async (
  identity: ProcessIdentity,
  name: string,
  log: string,
  withinMs: number,
  condition: () => boolean,
  signal: AbortSignal,
): Promise<void> => {
  const end = performance.now() + withinMs;
  let pauseMs = 1;
  while (!condition()) {
    if (!isAlive(identity)) {
      throw processEnded(name, log);
    }
    if (performance.now() > end) {
      throw new DomainError(
        'deadline',
        'PROCESS_NOT_READY',
        `${name} was not ready within ${withinMs.toString()} ms${lastLines(log)}`,
      );
    }
    await sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 1.5, 20);
  }
};

/** What is thrown when a process that shall run has ended, with the last lines of its log. */
export const processEnded = (name: string, log: string): DomainError =>
  new DomainError('unavailable', 'PROCESS_ENDED', `${name} ended before it was ready${lastLines(log)}`);

/** The end of a log as a sentence's continuation; says so when there is none. */
const lastLines = (log: string): string => {
  try {
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-8).join('\n  ');
    return lines === '' ? '; it wrote nothing' : `; it wrote:\n  ${lines}`;
  } catch {
    return '; its log cannot be read';
  }
};

import { spawn } from 'node:child_process';
import { DomainError } from '#platform/errors/domain-error.ts';
import { follow } from '#platform/async/follow.ts';
import { SYSTEM_PATH, toolPath } from './tools.ts';
import type { Tool } from './tools.ts';

export interface RunOptions {
  /** What the program reads; nothing when left out. */
  readonly input?: string;
  /** Milliseconds until it is killed; 15,000 when left out. */
  readonly deadlineMs?: number;
  /** The whole environment; when left out, that of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs; the folder of this process when left out. */
  readonly cwd?: string;
}

/** How a program ended and what it wrote. */
export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DEADLINE_MS = 15_000;
/** Output past this many characters is dropped: nobody reads it, and it must not fill the memory. */
const MAX_OUTPUT = 16 * 1024 * 1024;

/**
 * Runs a program to its end and captures what it writes. An exit code other than 0 is a result, not an error (128 + n when
 * signal n ended it). Rejects with `deadline` past the deadline, with the signal's reason when that aborts (the program is
 * killed in both cases), with `precondition` when it cannot be started.
 */
export const runProgram = async (
  argv: readonly string[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<RunResult> => {
  signal.throwIfAborted();
  const [program = '', ...args] = argv;
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  using linked = follow(signal);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env, cwd: options.cwd });
  const ended = Promise.withResolvers<number>();
  const stop = (): void => {
    child.kill('SIGKILL');
    // A grandchild may hold the pipes open past the end of the child.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  linked.signal.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => {
    linked.abort(
      new DomainError('deadline', 'COMMAND_TOO_SLOW', `${argv.join(' ')} was not done in ${deadlineMs.toString()} ms`),
    );
  }, deadlineMs);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text: string) => {
      if (output[name].length < MAX_OUTPUT) output[name] += text;
    });
  }
  // A program that exits without reading makes the pipe fail; the exit code tells what there is to tell.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  child.once('error', (error) => {
    ended.reject(
      new DomainError('precondition', 'COMMAND_NOT_STARTED', `${program} cannot be started: ${error.message}`, {
        cause: error,
      }),
    );
  });
  child.once('close', (code, ender) => {
    ended.resolve(code ?? 128 + signalNumber(ender));
  });
  try {
    const exitCode = await ended.promise;
    linked.signal.throwIfAborted();
    return { exitCode, ...output };
  } finally {
    clearTimeout(timer);
  }
};

const NUMBERS: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** The number that a shell adds to 128 for a program ended by that signal; 0 when it is not one of the common ones. */
export const signalNumber = (signal: NodeJS.Signals | null): number => (signal === null ? 0 : (NUMBERS[signal] ?? 0));

/** The environment of the lab's own tools, with the marks the lab wants found in /proc. */
export const toolEnvironment = (marks: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => ({
  PATH: SYSTEM_PATH,
  LC_ALL: 'C',
  ...marks,
});

/** Runs tools of the system for one lab: everything it starts carries the lab's mark. */
export class Tools {
  readonly #env: Readonly<Record<string, string>>;

  constructor(marks: Readonly<Record<string, string>> = {}) {
    this.#env = toolEnvironment(marks);
  }

  /** Runs one tool; rejects with `internal` LAB_COMMAND_FAILED, which names the command and what it wrote, unless it exits with 0. */
  async run(tool: Tool, args: readonly string[], signal: AbortSignal, input?: string): Promise<string> {
    const result = await this.attempt(tool, args, signal, input);
    if (result.exitCode !== 0) throw commandFailed([tool, ...args], result, input);
    return result.stdout;
  }

  /** As `run`, but whatever the exit code. */
  async attempt(tool: Tool, args: readonly string[], signal: AbortSignal, input?: string): Promise<RunResult> {
    return await runProgram(
      [toolPath(tool), ...args],
      { env: this.#env, cwd: '/', ...(input === undefined ? {} : { input }) },
      signal,
    );
  }

  /** Runs lines of `ip -batch` in a namespace (or in this one), the whole in one process; stops at the first that fails. */
  async ipBatch(namespace: string | undefined, lines: readonly string[], signal: AbortSignal): Promise<void> {
    const where = namespace === undefined ? [] : ['-netns', namespace];
    await this.run('ip', [...where, '-batch', '-'], signal, `${lines.join('\n')}\n`);
  }

  /** As `ipBatch`, but goes on past lines that fail; tells the numbers (from 0) of those. */
  async ipBatchForce(
    namespace: string | undefined,
    lines: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<number>> {
    const where = namespace === undefined ? [] : ['-netns', namespace];
    const result = await this.attempt('ip', [...where, '-force', '-batch', '-'], signal, `${lines.join('\n')}\n`);
    const failed = failedLines(result.stderr);
    // The namespace itself is not there: then no line was run at all.
    if (result.exitCode !== 0 && failed.length === 0) return new Set(lines.keys());
    return new Set(failed);
  }
}

const failedLines = (stderr: string): readonly number[] =>
  [...stderr.matchAll(/^Command failed -:(\d+)$/gm)].map((match) => Number(match[1]) - 1);

const commandFailed = (argv: readonly string[], result: RunResult, input: string | undefined): DomainError => {
  const line = input === undefined ? undefined : input.split('\n')[failedLines(result.stderr)[0] ?? -1];
  const said = result.stderr.trim();
  return new DomainError(
    'internal',
    'LAB_COMMAND_FAILED',
    `${argv.join(' ')}${line === undefined ? '' : ` (line "${line}")`} ended with ${result.exitCode.toString()}: ${said}`,
    { details: { command: argv.join(' '), exit_code: result.exitCode.toString(), stderr: said } },
  );
};

import { spawn } from 'node:child_process';
import { toError, DomainError } from '#platform/errors/domain-error.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { TOOL_ENVIRONMENT } from './environment.ts';

/** What a program that ran to its end said. */
export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Written to its stdin, which is empty otherwise. */
  readonly input?: string;
  /** Default 10 s; the program is killed then. */
  readonly deadlineMs?: number;
  /** Told of the program's process id when it has been started. */
  readonly onStart?: (pid: number) => void;
}

/** Starts programs by argument vector. */
export interface CommandRunner {
  /** Rejects with `unavailable` when it cannot be started or is killed, `deadline`, `exhausted` for too much output. */
  run(argv: readonly string[], signal: AbortSignal, options?: CommandOptions): Promise<CommandResult>;
}

const MAX_OUTPUT = 256 * 1024 * 1024;

/** Runs so many programs at a time as it is told, else four; `prefix` enters another namespace, e.g. `['ip', 'netns', 'exec', name]`. */
export class HostCommands implements CommandRunner {
  readonly #prefix: readonly string[];
  readonly #atOnce: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(prefix: readonly string[] = [], atOnce = 4) {
    this.#prefix = prefix;
    this.#atOnce = atOnce;
  }

  async run(argv: readonly string[], signal: AbortSignal, options: CommandOptions = {}): Promise<CommandResult> {
    return await withDeadline(options.deadlineMs ?? 10_000, signal, async (limited) => {
      await this.#turn();
      try {
        limited.throwIfAborted();
        return await runToEnd([...this.#prefix, ...argv], options, limited);
      } finally {
        this.#running -= 1;
        this.#waiting.shift()?.();
      }
    });
  }

  async #turn(): Promise<void> {
    while (this.#running >= this.#atOnce) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#running += 1;
  }
}

const runToEnd = async (
  argv: readonly string[],
  { input, onStart }: CommandOptions,
  signal: AbortSignal,
): Promise<CommandResult> => {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { env: { ...TOOL_ENVIRONMENT }, stdio: ['pipe', 'pipe', 'pipe'] });
  if (child.pid !== undefined) onStart?.(child.pid);
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    const ended = Promise.withResolvers<number>();
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        output[name] += chunk;
        if (output[name].length <= MAX_OUTPUT) return;
        kill();
        ended.reject(new DomainError('exhausted', 'TOO_MUCH_OUTPUT', `${argv.join(' ')} says too much`));
      });
    }
    child.on('error', (error) => {
      ended.reject(unavailable(argv, toError(error).message, error));
    });
    child.on('close', (status, killedBy) => {
      if (status === null) ended.reject(unavailable(argv, `killed by ${killedBy ?? 'an unknown signal'}`));
      else ended.resolve(status);
    });
    // A program that ends before it has read all is told by its status.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return { status: await ended.promise, ...output };
  } finally {
    signal.removeEventListener('abort', kill);
  }
};

const unavailable = (argv: readonly string[], why: string, cause?: unknown): DomainError =>
  new DomainError('unavailable', 'TOOL_UNAVAILABLE', `${argv.join(' ')}: ${why}`, { cause });

/** stdout of a program that must succeed; rejects with `internal` naming command, exit status and stderr otherwise. */
export const outputOf = async (
  commands: CommandRunner,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<string> => {
  const { status, stdout, stderr } = await commands.run(argv, signal);
  if (status === 0) return stdout;
  throw new DomainError(
    'internal',
    'COMMAND_FAILED',
    `${argv.join(' ')}: exit status ${status.toString()}: ${stderr.trim()}`,
    { details: { command: argv.join(' '), status: status.toString(), stderr: stderr.trim() } },
  );
};

/** The objects of a tool's `-json` output, whichever arrays they came in: one array per line. Throws `internal`. */
export const jsonObjects = (command: string, text: string): readonly Readonly<Record<string, unknown>>[] => {
  const objects: Readonly<Record<string, unknown>>[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    for (const item of parseArray(command, line)) if (isObject(item)) objects.push(item);
  }
  return objects;
};

const parseArray = (command: string, line: string): readonly unknown[] => {
  try {
    const parsed: unknown = JSON.parse(line);
    return Array.isArray(parsed) ? parsed : [parsed];
  } catch (cause) {
    const shown = line.length > 80 ? `${line.slice(0, 77)}...` : line;
    throw new DomainError('internal', 'NOT_JSON', `${command} printed ${JSON.stringify(shown)}, which is not JSON`, {
      cause,
    });
  }
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

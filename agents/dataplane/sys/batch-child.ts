import { backoffMs } from '#platform/async/backoff.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { BatchProcess } from './batch-process.ts';
import type { Ending } from './batch-process.ts';
import { BatchRequest, isBatchLine } from './batch-request.ts';
import { TOOL_ENVIRONMENT } from './environment.ts';

/** Which of iproute2's tools, and in front of it what enters another namespace, e.g. `['ip', 'netns', 'exec', name]`. */
export interface BatchChildOptions {
  readonly tool: 'ip' | 'bridge';
  readonly prefix?: readonly string[];
  /** Per request, and on top of it one millisecond per line. */
  readonly deadlineMs?: number;
}

export interface RunOptions {
  readonly unhurried?: boolean;
}

/** Runs lines of one of iproute2's tools, in order, without a process for each. */
export interface BatchRunner {
  /**
   * One answer per line: undefined when it was done, else the kernel's or the tool's words; a line that the tool would not
   * read as one command with these very words is not tried. Lines run in order, also
   * those of earlier calls first; a line that fails stops no other. A line may run twice when another line of the
   * same call ends the tool, so lines should be such that this does no harm. Rejects with `unavailable` or `deadline`
   * when the tool cannot be reached or dies on us: what was done then is unknown. At an abort it rejects at once;
   * lines that were written by then are still done. A call that is `unhurried` is done as soon as any other, and answered
   * a few milliseconds later unless one that is not comes meanwhile.
   */
  run(lines: readonly string[], signal: AbortSignal, options?: RunOptions): Promise<readonly (string | undefined)[]>;
  /** Forgets the numbers of devices: to be called when a device is gone whose name may come back. Costs nothing if unused. */
  refresh(): void;
}

// A line that always fails, and without asking the kernel for more than a name at most.
const BARRIER = { bridge: 'fdb del barrier dev lo', ip: 'link set dev weft-barrier up' } as const;
// What the tools say when the number they remember for a name is that of a device long gone.
const STALE = /No such device|unknown ifindex|Invalid argument|Invalid ifindex/;
const BACKOFF = { baseMs: 10, maxMs: 2_000 };
const STOP_WAIT_MS = 2_000;
/** Long enough for the agents of other hosts of one machine to write their rows, too short for anybody to notice. */
const REST_MS = 3;

/**
 * A long-lived `ip -force -batch -` or `bridge -force -batch -`. These apply each line as they read it, are silent about
 * success, report failures by line number on stderr and, for some, end: at what they cannot parse, and `ip neigh` at
 * any error. A line that must fail marks the end of a request. Whoever makes it stops it.
 */
export class BatchChild implements BatchRunner, AsyncDisposable {
  readonly #barrier: string;
  readonly #argv: readonly string[];
  readonly #deadlineMs: number;
  readonly #queue: BatchRequest[] = [];
  /** Written, in part or whole, to the process there is; answered in this order. */
  readonly #inFlight: BatchRequest[] = [];
  readonly #ended = new Map<BatchProcess, PromiseWithResolvers<void>>();
  #process: BatchProcess | undefined;
  /** The process answered its first barrier. */
  #proven = false;
  #used = false;
  #blocked = false;
  #writing: BatchRequest | undefined;
  #refreshWanted = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: BatchChildOptions) {
    this.#barrier = BARRIER[options.tool];
    this.#argv = [...(options.prefix ?? []), options.tool, '-force', '-batch', '-'];
    this.#deadlineMs = options.deadlineMs ?? 10_000;
  }

  /** Starts the tool now rather than at the first line; rejects with `unavailable` when it does not run. */
  async start(signal: AbortSignal): Promise<void> {
    await this.run([], signal);
  }

  async run(
    lines: readonly string[],
    signal: AbortSignal,
    options: RunOptions = {},
  ): Promise<readonly (string | undefined)[]> {
    signal.throwIfAborted();
    if (lines.every(isBatchLine)) return await this.#runValid(lines, signal, options);
    const valid = lines.flatMap((line, at) => (isBatchLine(line) ? [at] : []));
    const answers = await this.#runValid(
      valid.map((at) => lines[at] ?? ''),
      signal,
      options,
    );
    const errors = lines.map((): string | undefined => 'not tried: it cannot stand in a batch');
    for (const [index, at] of valid.entries()) errors[at] = answers[index];
    return errors;
  }

  async #runValid(
    lines: readonly string[],
    signal: AbortSignal,
    options: RunOptions,
  ): Promise<readonly (string | undefined)[]> {
    const remembers = this.#used;
    const errors = await this.#submit(lines, signal, options);
    if (!remembers) return errors;
    const first = errors.findIndex((error) => error !== undefined && STALE.test(error));
    if (first === -1) return errors;
    // What came after may have failed because of it.
    const stale = errors.flatMap((error, at) => (error !== undefined && at >= first ? [at] : []));
    this.refresh();
    const again = await this.#submit(
      stale.map((at) => lines[at] ?? ''),
      signal,
      {},
    );
    const merged = [...errors];
    for (const [index, at] of stale.entries()) merged[at] = again[index];
    return merged;
  }

  refresh(): void {
    if (!this.#used || this.#stopped) return;
    this.#refreshWanted = true;
    this.#pump();
  }

  /** Lets what is under way end, for two seconds at most; nothing of it runs afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    for (const request of this.#queue.splice(0)) request.reject(unavailable(this.#argv, 'it was stopped'));
    for (const process of this.#ended.keys()) process.end();
    const all = Promise.all([...this.#ended.values()].map((ended) => ended.promise));
    const timer = setTimeout(() => {
      for (const process of this.#ended.keys()) process.kill();
    }, STOP_WAIT_MS);
    await all;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #submit(
    lines: readonly string[],
    signal: AbortSignal,
    { unhurried = false }: RunOptions,
  ): Promise<readonly (string | undefined)[]> {
    if (this.#stopped) throw unavailable(this.#argv, 'it was stopped');
    const request = new BatchRequest(lines, this.#barrier);
    this.#queue.push(request);
    const answer = withDeadline(this.#deadlineMs + lines.length, signal, () => request.answer);
    this.#pump();
    if (unhurried && this.#inFlight.length === 1) this.#process?.rest(REST_MS);
    else this.#process?.wake();
    try {
      return await answer;
    } catch (error) {
      this.#give(request, error);
      throw error;
    }
  }

  /** The caller no longer waits. Past its deadline, the tool is stuck: nobody behind it should wait as long. */
  #give(request: BatchRequest, error: unknown): void {
    const queued = this.#queue.indexOf(request);
    if (queued !== -1) this.#queue.splice(queued, 1);
    else if (error instanceof DomainError && error.code === 'deadline' && this.#inFlight.includes(request)) {
      this.#process?.kill();
      this.#lost({ cause: 'it gave no answer in time' }, '');
    }
  }

  #pump(): void {
    if (this.#stopped) return;
    if (this.#refreshWanted && this.#inFlight.length === 0) this.#retire();
    if (this.#queue.length === 0 && this.#writing === undefined) return;
    if (this.#process === undefined) {
      if (this.#retry === undefined) this.#spawn();
      return;
    }
    while (!this.#blocked) {
      const request = this.#writing ?? this.#take(this.#process);
      if (request === undefined) return;
      const piece = request.next();
      this.#writing = piece === undefined || piece.last ? undefined : request;
      if (piece !== undefined && !this.#process.write(piece.text, piece.count)) this.#blocked = true;
    }
  }

  #take(process: BatchProcess): BatchRequest | undefined {
    // Those behind a wished-for refresh wait for the new process.
    const request = this.#refreshWanted ? undefined : this.#queue.shift();
    if (request === undefined) return undefined;
    request.begin(process.lines);
    this.#inFlight.push(request);
    this.#used = true;
    return request;
  }

  #retire(): void {
    this.#refreshWanted = false;
    this.#process?.end();
    this.#process = undefined;
    this.#spawn();
  }

  #spawn(): void {
    this.#proven = false;
    this.#used = false;
    this.#blocked = false;
    this.#writing = undefined;
    const process: BatchProcess = new BatchProcess(this.#argv, TOOL_ENVIRONMENT, {
      failed: (line, text) => {
        if (process === this.#process) this.#failed(line, text);
      },
      drained: () => {
        if (process !== this.#process) return;
        this.#blocked = false;
        this.#pump();
      },
      ended: (ending, text) => {
        this.#ended.get(process)?.resolve();
        this.#ended.delete(process);
        if (process === this.#process) this.#lost(ending, text);
      },
    });
    this.#process = process;
    this.#ended.set(process, Promise.withResolvers<void>());
    process.write(`${this.#barrier}\n`, 1);
    this.#pump();
  }

  #failed(line: number, text: string): void {
    if (!this.#proven) {
      this.#proven = true;
      this.#failures = 0;
      return;
    }
    if (this.#inFlight[0]?.failed(line, text) !== true) return;
    this.#inFlight.shift();
    if (this.#refreshWanted) this.#pump();
  }

  #lost(ending: Ending, text: string): void {
    const outstanding = this.#inFlight.splice(0);
    this.#process = undefined;
    this.#writing = undefined;
    if (this.#stopped || !this.#proven || 'cause' in ending) {
      const why =
        'cause' in ending ? ending.cause : `exit status ${ending.status.toString()}${text === '' ? '' : `: ${text}`}`;
      for (const request of outstanding) request.reject(unavailable(this.#argv, why));
      this.#spawnLater();
      return;
    }
    // It ended over a line: those behind that line were never read, so they go to the next process as they are.
    if (outstanding[0]?.endedOver(text) === true) outstanding.shift();
    this.#queue.unshift(...outstanding);
    this.#refreshWanted = false;
    this.#pump();
  }

  #spawnLater(): void {
    if (this.#stopped) return;
    const wait = backoffMs(this.#failures, BACKOFF, Math.random);
    this.#failures += 1;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#pump();
    }, wait);
    this.#retry.unref();
  }
}

const unavailable = (argv: readonly string[], why: string): DomainError =>
  new DomainError('unavailable', 'TOOL_UNAVAILABLE', `${argv.join(' ')}: ${why}`);

import { backoffMs } from '#platform/async/backoff.ts';
import { spreadMs } from '#platform/async/spread.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import { carrier, type Carrier, currentTraceId, inSpan } from '#platform/telemetry/spans.ts';
import { commandOf, type Outcome } from '../../model/operation.ts';
import { annotate } from '../../reconcile/annotate.ts';
import { countOutcomes } from '../../reconcile/count-outcomes.ts';
import type { EventLog } from '../../reconcile/event-log.ts';
import { driftRows } from '../../reconcile/metrics.ts';
import type { RunningDaemon } from '../../sys/daemons.ts';
import { applySteps, type EdgeTools } from './apply.ts';
import type { DaemonSpec, EdgeKind, EdgeStep } from './model.ts';
import { namespaceName } from './names.ts';

/** A kind of duty: how it is read back, and what is to be done then. */
export interface EdgeService<Duty> {
  readonly kind: EdgeKind;
  /** Of the network or router. */
  idOf(duty: Duty): string;
  generationOf(duty: Duty): number;
  /** Reads back and plans: no steps when the host is right. Throws DomainError when it cannot be made right. */
  look(duty: Duty, signal: AbortSignal): Promise<readonly EdgeStep[]>;
  /** The steps that take it away, none when nothing of it is here. */
  lookRemoval(id: string, signal: AbortSignal): Promise<readonly EdgeStep[]>;
  /** Daemons that must run: one that ends is looked after at once. */
  daemonsOf(duty: Duty): readonly DaemonSpec[];
}

/** Why a duty is looked at. */
type Cause = 'start' | 'change' | 'drift' | 'periodic' | 'failure' | 'end';

/** What workers share. */
export interface EdgeWorkerTools extends EdgeTools {
  readonly hostId: string;
  readonly events: EventLog;
  readonly log: Log;
  readonly timing: { readonly auditIntervalMs: number; readonly settleMs: number };
}

const RETRY = { baseMs: 200, maxMs: 10_000 };
/** What keeps going wrong is looked at no more often than by this. */
const DRIFT = { baseMs: 20, maxMs: 5_000 };
/** A look that finds nothing for so long ends a series of drifts. */
const CALM_MS = 10_000;
/** What one round brings about may need another; what needs more than these is not getting right. */
const ROUNDS = 4;

/**
 * Keeps one duty of this host right, one thing at a time: looks, does the steps, looks again when it has been quiet and now
 * and then. It is never stuck for others.
 */
export class EdgeWorker<Duty> {
  readonly id: string;
  readonly #service: EdgeService<Duty>;
  readonly #tools: EdgeWorkerTools;
  readonly #removed: () => void;
  readonly #halt = new AbortController();
  #duty: Duty | undefined;
  #due: { readonly at: number; readonly cause: Cause } | undefined;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #established = false;
  /** The trace in which it was told what to serve. */
  #toldIn: Carrier = {};
  #failures = 0;
  #drifts = 0;
  #lastDrift = 0;
  #operations = 0;
  #daemons: readonly RunningDaemon[] = [];

  /** `removed` is called when it is told to end and nothing of it is left. */
  constructor(id: string, service: EdgeService<Duty>, tools: EdgeWorkerTools, removed: () => void) {
    this.id = id;
    this.#service = service;
    this.#tools = tools;
    this.#removed = removed;
  }

  /** What it serves; undefined when it is to end. */
  get duty(): Duty | undefined {
    return this.#duty;
  }
  /** Operations done since the start. */
  get operations(): number {
    return this.#operations;
  }

  /** What would be done now. Rejects with why it cannot be made right. */
  async plan(signal: AbortSignal): Promise<readonly EdgeStep[]> {
    return this.#duty === undefined
      ? await this.#service.lookRemoval(this.id, signal)
      : await this.#service.look(this.#duty, signal);
  }

  /** Serves this from now on. */
  set(duty: Duty): void {
    this.#duty = duty;
    this.#toldIn = carrier();
    this.#want(0, this.#established ? 'change' : 'start');
  }

  /** Takes away what is here of it. */
  end(): void {
    this.#duty = undefined;
    this.#toldIn = carrier();
    this.#want(0, 'end');
  }

  /** Something moved on the host. */
  suspect(): void {
    if (Date.now() - this.#lastDrift > CALM_MS) this.#drifts = 0;
    this.#want(this.#drifts === 0 ? 0 : backoffMs(this.#drifts - 1, DRIFT, Math.random), 'drift');
  }

  /** Looks for daemons that ended; costs a file each. */
  checkDaemons(): void {
    if (this.#running !== undefined || this.#daemons.length === 0) return;
    if (this.#daemons.every((each) => this.#tools.daemons.isAlive(each))) return;
    this.#daemons = [];
    this.suspect();
  }

  /** The host stays as it is. */
  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearTimeout(this.#timer);
    await this.#running;
  }

  #want(inMs: number, cause: Cause): void {
    const at = Date.now() + inMs;
    if (this.#due === undefined || at < this.#due.at) this.#due = { at, cause };
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#halt.signal.aborted || this.#running !== undefined || this.#due === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#go();
      },
      Math.max(0, this.#due.at - Date.now()),
    );
  }

  #go(): void {
    if (this.#running !== undefined || this.#due === undefined) return;
    const { cause } = this.#due;
    this.#due = undefined;
    this.#running = this.#look(cause).finally(() => {
      this.#running = undefined;
      this.#arm();
    });
  }

  /** Never rejects. */
  async #look(cause: Cause): Promise<void> {
    const { hostId, log } = this.#tools;
    const { kind } = this.#service;
    const duty = this.#duty;
    const subject = kind === 'dhcp' ? 'weft.network.id' : 'weft.router.id';
    const attributes = { 'weft.host.id': hostId, [subject]: this.id, 'weft.cause': cause, 'weft.edge.kind': kind };
    try {
      // What was told is part of the trace of who had it so; what a look finds is not.
      const isTold = cause !== 'drift' && cause !== 'periodic' && 'traceparent' in this.#toldIn;
      const parent = isTold ? this.#toldIn : 'root';
      await inSpan('agent.serve', { attributes, parent }, async (span) => {
        const outcomes: Outcome[] = [];
        try {
          await this.#makeRight(duty, outcomes);
        } finally {
          annotate(span, outcomes);
          if (outcomes.length > 0 && this.#established && (cause === 'drift' || cause === 'periodic'))
            this.#told(outcomes);
        }
        this.#failures = 0;
        if (duty !== this.#duty) return;
        this.#established = duty !== undefined;
        if (duty === undefined) this.#removed();
        else {
          const isSettling = outcomes.length > 0 || cause === 'change';
          const { settleMs, auditIntervalMs } = this.#tools.timing;
          this.#want(isSettling ? settleMs : spreadMs(auditIntervalMs, Math.random), 'periodic');
        }
      });
    } catch (thrown) {
      if (this.#halt.signal.aborted) return;
      log.warn({ [kind]: this.id, error: toError(thrown).message }, 'duty not served');
      this.#failures += 1;
      this.#want(backoffMs(this.#failures - 1, RETRY, Math.random), this.#established ? 'failure' : cause);
    }
  }

  async #makeRight(duty: Duty | undefined, outcomes: Outcome[]): Promise<void> {
    const { signal } = this.#halt;
    for (let round = 0; ; round += 1) {
      const steps =
        duty === undefined ? await this.#service.lookRemoval(this.id, signal) : await this.#service.look(duty, signal);
      if (steps.length === 0) break;
      if (round === ROUNDS) {
        const left = steps.map(commandOf).join('; ');
        throw new DomainError('internal', 'NOT_SETTLED', `${this.#name} does not become right: ${left}`);
      }
      const done = await applySteps(this.#tools, steps, signal);
      outcomes.push(...done);
      this.#count(done);
      const failed = done.find(({ error }) => error !== undefined);
      if (failed !== undefined) {
        throw new DomainError('internal', 'OPERATION_FAILED', `${commandOf(failed.operation)}: ${failed.error ?? ''}`);
      }
    }
    const { daemons } = this.#tools;
    this.#daemons =
      duty === undefined ? [] : this.#service.daemonsOf(duty).flatMap((daemon) => daemons.find(daemon) ?? []);
  }

  get #name(): string {
    return namespaceName(this.#service.kind, this.id);
  }

  #count(outcomes: readonly Outcome[]): void {
    this.#operations += outcomes.length;
    countOutcomes(outcomes, this.#tools.log);
  }

  #told(outcomes: readonly Outcome[]): void {
    const { events, log } = this.#tools;
    this.#drifts += 1;
    this.#lastDrift = Date.now();
    const traceId = currentTraceId();
    const base = {
      outcomes,
      ...(this.#service.kind === 'dhcp' && { networkId: this.id }),
      ...(traceId !== undefined && { traceId }),
    };
    const repaired = outcomes.filter(({ error }) => error === undefined).length;
    const steps = `${outcomes.length.toString()} step${outcomes.length === 1 ? '' : 's'}`;
    driftRows.add(outcomes.length, { network: this.id });
    events.emit({ kind: 'drift', message: `${this.#name} differs from what is wanted by ${steps}`, ...base });
    events.emit({ kind: 'repair', message: `${repaired.toString()} of ${steps} done`, ...base });
    log.warn({ [this.#service.kind]: this.id, steps: outcomes.length, repaired, trace_id: traceId }, 'drift repaired');
  }
}

import { inTurns } from '#platform/async/turns.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { unixNow } from '#platform/telemetry/clock.ts';
import { carrier, detached, inSpan, type Carrier, type LazyCarrier } from '#platform/telemetry/spans.ts';
import type { NetworkTable } from '../intake/network-table.ts';
import type { HeldNetwork } from '../model/control-plane.ts';
import type { ObservedNetwork } from '../model/host.ts';
import type { EntryChange, LocalPort, NetworkIntent } from '../model/intent.ts';
import type { PortSecurity } from '../model/port-security.ts';
import type { Operation, Outcome } from '../model/operation.ts';
import { digestOfRows } from '../plan/digest.ts';
import { withoutRemovals } from '../plan/removals.ts';
import { annotate } from './annotate.ts';
import { DRIFT_CAUSES, type AuditCause, type AuditRequest, type LastAudit } from './audit.ts';
import { DeltaIntake, type Missing } from './delta-intake.ts';
import { Inbox } from './inbox.ts';
import { LookSchedule } from './look-schedule.ts';
import { reportDrift } from './report-drift.ts';
import { countOutcomes } from './count-outcomes.ts';
import { heldRevision } from './metrics.ts';
import { TableSync } from './table-sync.ts';
import { tellChange, traced } from './tell-change.ts';
import type { WorkerInput } from './worker-input.ts';
import type { WorkerTools } from './worker-ports.ts';

/** What waits until the host has been looked at: it says where rows are, or replaces all of them. All else is taken up meanwhile. */
const AFTER_A_LOOK: ReadonlySet<WorkerInput['kind']> = new Set(['facts', 'part', 'snapshot'] as const);

/**
 * Keeps one network of this host right, one thing at a time: takes up all that has come, does the steps for it, tells
 * l2pop, and looks at the kernel again when it has been quiet. A network whose worker is stuck holds up no other.
 */
export class NetworkWorker {
  readonly table: NetworkTable;
  readonly #tools: WorkerTools;
  readonly #intake: DeltaIntake;
  readonly #halt = new AbortController();
  readonly #feed?: AsyncDisposable;
  readonly #sync: TableSync;
  readonly #inbox = new Inbox();
  readonly #audits: AuditRequest[] = [];
  #running: Promise<void> | undefined;
  #failures = 0;
  #established = false;
  #synced = false;
  readonly #schedule: LookSchedule;
  #lastAudit: LastAudit | undefined;
  #reportedAudit: LastAudit | undefined;
  /** What the kernel holds: the table may be ahead of it. 0 while that is not known. */
  #heldRevision = 0n;
  /** The last look saw something else than what was wanted, or else only what came meanwhile. */
  #isInDoubt = false;
  /** A repair of drift has failed in part: what the next tries do is told as well. */
  #isHalfRepaired = false;
  #driftRepaired = 0;
  #driftReported = 0;
  #operations = 0;
  #preparing = 0;

  constructor(table: NetworkTable, tools: WorkerTools) {
    this.table = table;
    this.#tools = tools;
    this.#intake = new DeltaIntake(table, (change) => {
      this.#onEntry(change);
    });
    this.#sync = new TableSync(table, tools, this, this.#halt.signal);
    this.#schedule = new LookSchedule(tools.timing, () => {
      this.#kick();
    });
    this.#synced = !table.isOverlay;
    if (!table.isOverlay) return;
    this.#feed = tools.feed.subscribe(table.networkId, (delta, cause) => {
      this.push({ kind: 'delta', delta, cause });
    });
  }

  /** Whether the last steps for it failed. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }
  /** Whether no port of it is plugged here, nor about to be. */
  get isEmpty(): boolean {
    return this.table.ports.size === 0 && this.#preparing === 0 && !this.#inbox.some(({ kind }) => kind === 'plug');
  }
  /** Does what can be done ahead for a port, beside all else for the network; what fails is tried again when it is plugged. */
  async prepare(port: LocalPort): Promise<readonly Outcome[]> {
    this.#preparing += 1;
    try {
      return await this.#perform(this.#tools.dataplane.planAhead?.(this.table, port) ?? []);
    } catch {
      return [];
    } finally {
      this.#preparing -= 1;
    }
  }

  /** Takes up what a port may send, where that is plugged here or about to be. */
  secure(portId: string, security: PortSecurity): void {
    const isComing = this.#inbox.some((input) => input.kind === 'plug' && input.port.portId === portId);
    if (!isComing && !this.table.isSecurityNews(portId, security)) return;
    this.push({ kind: 'secure', portId, security, cause: carrier() });
  }
  get lastAudit(): LastAudit | undefined {
    return this.#lastAudit;
  }
  get driftRepaired(): number {
    return this.#driftRepaired;
  }
  get operations(): number {
    return this.#operations;
  }

  /** For l2pop's books; what was read back is told once. */
  get held(): HeldNetwork {
    const news = this.#lastAudit === this.#reportedAudit ? undefined : this.#lastAudit;
    return {
      networkId: this.table.networkId,
      revision: this.#heldRevision,
      digest: news?.digest ?? '',
      digestRevision: news?.revision ?? 0n,
      driftRepaired: this.#driftRepaired - this.#driftReported,
    };
  }

  /** l2pop has taken in what `held` said; a look made meanwhile is still to be told. */
  reported(held: HeldNetwork): void {
    this.#driftReported += held.driftRepaired;
    const audit = this.#lastAudit;
    if (held.digest !== '' && audit?.digest === held.digest && audit.revision === held.digestRevision)
      this.#reportedAudit = audit;
  }

  /** Takes something in; the steps for it begin on this tick when nothing else is being done. */
  push(input: WorkerInput): void {
    if (this.#halt.signal.aborted) return;
    this.#inbox.push(input);
    this.#kick();
  }

  /** As `push`, resolving once the kernel has been told. Rejects with `unavailable` when it is stopped before that. */
  async pushAndWait(input: WorkerInput): Promise<void> {
    this.#halt.signal.throwIfAborted();
    const done = this.#inbox.whenDone();
    this.push(input);
    await done;
  }

  /** Compares and repairs, now; resolves with what was done. */
  async audit(cause: AuditCause, parent: Carrier = {}): Promise<readonly Outcome[]> {
    const { promise, resolve } = Promise.withResolvers<{ outcomes: readonly Outcome[] } | { error: Error }>();
    if (this.#halt.signal.aborted) return [];
    this.#audits.push({ cause, parent, done: resolve });
    this.#kick();
    const result = await promise;
    if ('error' in result) throw result.error;
    return result.outcomes;
  }

  /** Looks at the kernel soon: something moved there. */
  suspect(cause: AuditCause): void {
    if (this.#audits.some((request) => request.cause === cause)) return;
    this.#schedule.suspect(cause);
    this.#arm();
  }

  /** The kernel has lost what was written: it is looked at and written again at once. */
  rewrite(): void {
    this.#established = false;
    // Its failure is told and tried again by the worker itself.
    this.audit('drift').catch(() => undefined);
  }

  /** What would be done now; changes nothing. */
  async plan(signal: AbortSignal): Promise<readonly Operation[]> {
    const { dataplane, host } = this.#tools;
    const intent = this.table.asItIs();
    return await dataplane.plan(host, intent, await dataplane.observe(intent, signal), signal);
  }

  /** Pulls what is missing from l2pop. Resolves when nothing is missing any more; tries again by itself. */
  async sync(what: Missing, cause: string): Promise<void> {
    if (this.table.isOverlay) await this.#sync.need(what, cause);
  }

  /** Stops; the kernel stays as it is. */
  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    this.#schedule.stop();
    await this.#feed?.[Symbol.asyncDispose]();
    await this.#running;
    // What was done is told while there is somebody to tell it.
    this.#tools.later.flush();
    this.#inbox.giveUp(this.#halt.signal.reason);
    await this.#sync.idle();
    for (const audit of this.#audits.splice(0)) audit.done({ outcomes: [] });
    heldRevision.forget({ network: this.table.networkId });
  }

  #kick(): void {
    if (this.#running !== undefined || this.#halt.signal.aborted) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (!this.#inbox.isEmpty || this.#audits.length > 0) this.#kick();
      else this.#arm();
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#halt;
    while (!signal.aborted) {
      // What failed is tried again in its time, however much there is to be taken up.
      if (this.#failures > 0 && this.#schedule.isDue) await this.#look('failure', {}).catch(() => undefined);
      else if (!this.#inbox.isEmpty) await this.#takeUp();
      else if (this.#audits.length > 0) await this.#serveAudits();
      else if (this.#schedule.isDue) {
        const how = this.#established && !this.#isInDoubt ? 'beside' : 'alone';
        await this.#look(this.#schedule.cause, {}, how).catch(() => undefined);
      } else return;
    }
  }

  #arm(): void {
    if (!this.#halt.signal.aborted) this.#schedule.arm();
  }

  async #takeUp(): Promise<void> {
    const { inputs, done } = this.#inbox.take();
    const causes = inputs.map(({ cause }) => cause);
    let factsDiffer = false;
    for (const input of inputs) factsDiffer = this.#enter(input) || factsDiffer;
    try {
      if (!this.#established || factsDiffer) await this.#look('start', traced(causes)[0] ?? {}).catch(() => undefined);
      else await this.#applyChange(causes);
    } finally {
      done();
    }
  }

  /** True when devices must be looked at again. */
  #enter(input: WorkerInput): boolean {
    switch (input.kind) {
      case 'delta':
        this.#need(this.#intake.delta(input.delta), 'hole');
        return false;
      case 'changes':
        this.#synced = true;
        this.#need(this.#intake.changes(input.changes), 'hole');
        return false;
      case 'snapshot':
        this.#synced = true;
        this.#need(this.#intake.snapshot(input.snapshot), 'guard');
        return false;
      case 'part':
        if (this.table.revision === 0n) this.table.addEntries(input.entries);
        return false;
      case 'facts':
        return this.table.updateFacts(input.facts);
      case 'plug':
        this.table.plug(input.port);
        return false;
      case 'secure':
        this.table.secure(input.portId, input.security);
        return false;
      case 'unplug':
        this.table.unplug(input.portId);
        return false;
      case 'flood':
        if (input.present) this.table.addManualFlood(input.address);
        else this.table.removeManualFlood(input.address);
        return false;
    }
  }

  #need(missing: Missing | undefined, cause: string): void {
    if (missing === undefined) return;
    // Not awaited by the loop: what can be done meanwhile is done. `stop` awaits it.
    void this.sync(missing, cause);
  }

  #onEntry(change: EntryChange): void {
    if (change.entry.vtep.hostId !== this.#tools.host.hostId) return;
    const local = this.table.ports.get(change.entry.portId);
    if (change.kind === 'set') {
      if (local?.generation !== change.entry.generation) this.#tools.observer.assigned(change.entry);
    } else if (local !== undefined && local.generation <= change.entry.generation) {
      this.table.unplug(local.portId);
      this.#tools.observer.withdrawn(local);
    }
  }

  async #applyChange(causes: readonly LazyCarrier[]): Promise<void> {
    const { table } = this;
    const startTime = unixNow();
    const change = table.takeChange();
    const { revision } = table;
    let outcomes: readonly Outcome[] = [];
    let thrown: unknown;
    try {
      const { dataplane, host } = this.#tools;
      outcomes = await this.#apply(dataplane.planChange(host, table, change));
    } catch (error) {
      thrown = error;
    }
    const done = { change, revision, causes, outcomes, thrown, startTime, endTime: unixNow() };
    const isDone = thrown === undefined && outcomes.every(({ error }) => error === undefined);
    if (!isDone) this.#failed();
    if (isDone && this.#synced && this.#failures === 0) this.#heldRevision = revision;
    this.#schedule.changed(this.#failures > 0);
    // First the rows, then all that is to be said of them: on many hosts at once that is what the last one waits for.
    this.#tools.later.push(() => {
      tellChange(this.#tools, table, done, () => {
        // What is held no more, or with what came after it, is not worth a word.
        if (revision > 0n && this.#heldRevision === revision) this.#ack(revision);
      });
    });
  }

  #ack(revision: bigint): void {
    if (this.#halt.signal.aborted) return;
    heldRevision.set(Number(revision), { network: this.table.networkId });
    this.#tools.feed.ack(this.table.networkId, revision, carrier());
  }

  async #serveAudits(): Promise<void> {
    const [request] = this.#audits;
    if (request === undefined) return;
    try {
      const outcomes = await this.#look(request.cause, request.parent);
      for (const each of this.#audits.splice(0)) each.done({ outcomes });
    } catch (thrown) {
      for (const each of this.#audits.splice(0)) each.done({ error: toError(thrown) });
    }
  }

  /** Takes up what comes until a look is over; true when something came, which the look may or may not have seen. */
  async #takeUpDuring(look: Promise<unknown>): Promise<boolean> {
    const over = look.then(
      () => true,
      () => true,
    );
    for (let hasCome = false; ; hasCome = true) {
      const isOver = await Promise.race([over, this.#inbox.whenFilled()]);
      const mustWait = !this.#established || this.#inbox.some(({ kind }) => AFTER_A_LOOK.has(kind));
      if (isOver === true || mustWait) {
        await over;
        return hasCome;
      }
      // It is no part of the look.
      await detached(async () => this.#takeUp());
    }
  }

  /**
   * Observe, plan, do, observe what is there now. `beside`: ports that come meanwhile do not wait for it. Then it compares with
   * what was wanted when it began, and does nothing by what it saw if that has changed since: it is looked at again, alone.
   */
  async #look(cause: AuditCause, parent: Carrier, how: 'alone' | 'beside' = 'alone'): Promise<readonly Outcome[]> {
    const { table } = this;
    const { host, states } = this.#tools;
    // What was done before is told before what is done now.
    this.#tools.later.flush();
    const changed = [...table.takeChange().ports.keys()];
    this.#schedule.begun();
    this.#isInDoubt = false;
    const intent = how === 'alone' ? table : table.asItIs();
    const { revision } = table;
    const attributes = { 'weft.host.id': host.hostId, 'weft.network.id': table.networkId, 'weft.cause': cause };
    try {
      return await inSpan(
        'agent.audit',
        { attributes, parent: 'traceparent' in parent ? parent : 'root' },
        async (span) => {
          const looking = this.#compare(intent);
          const hasCome = how === 'beside' && (await this.#takeUpDuring(looking));
          const { all, ...seen } = await looking;
          if (hasCome && all.length > 0) {
            this.#isInDoubt = true;
            if (this.#failures === 0) this.#schedule.again(cause);
            return [];
          }
          // Nothing is taken away on the strength of a state that may be old.
          const operations = this.#synced ? all : withoutRemovals(all);
          const outcomes = operations.length > 0 ? await this.#perform(operations) : [];
          annotate(span, outcomes);
          const failures = outcomes.filter(({ error }) => error !== undefined);
          const { digest } = operations.length > 0 ? await this.#see(intent) : seen;
          const isDrift = cause === 'failure' ? this.#isHalfRepaired : this.#established && DRIFT_CAUSES.has(cause);
          if (operations.length > 0 && isDrift)
            this.#driftRepaired += reportDrift(this.#tools, table.networkId, outcomes);
          this.#isHalfRepaired = isDrift && failures.length > 0;
          this.#lastAudit = { digest, revision, time: new Date() };
          this.#tools.observer.audited();
          if (failures.length > 0) this.#failed();
          // What came has said itself what is held now, and when that is looked at.
          else if (!hasCome) {
            this.#failures = 0;
            this.#established = true;
            this.#schedule.rest();
            if (this.#synced && table.revision > 0n) {
              this.#heldRevision = table.revision;
              this.#ack(table.revision);
            }
          }
          return outcomes;
        },
      );
    } catch (thrown) {
      this.#failed();
      if (!this.#halt.signal.aborted) {
        this.#tools.log.warn({ network: table.networkId, error: toError(thrown).message }, 'network not read back');
      }
      throw thrown;
    } finally {
      states.record(table, changed);
    }
  }

  async #compare(intent: NetworkIntent): Promise<{ digest: string; all: readonly Operation[] }> {
    const { dataplane, host } = this.#tools;
    const { observed, digest } = await this.#see(intent);
    return { digest, all: await dataplane.plan(host, intent, observed, this.#halt.signal) };
  }

  async #see(intent: NetworkIntent): Promise<{ observed: ObservedNetwork; digest: string }> {
    const { signal } = this.#halt;
    const observed = await this.#tools.dataplane.observe(intent, signal);
    return { observed, digest: await inTurns(digestOfRows(observed.rows, intent.manualFlood), signal) };
  }

  #failed(): void {
    this.#heldRevision = 0n;
    this.#failures += 1;
    this.#schedule.retry(this.#failures);
  }

  async #perform(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    const outcomes = await this.#apply(operations);
    countOutcomes(outcomes, this.#tools.log);
    return outcomes;
  }

  async #apply(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    if (operations.length === 0) return [];
    const outcomes = await this.#tools.dataplane.apply(operations, this.#halt.signal);
    this.#operations += outcomes.length;
    return outcomes;
  }
}

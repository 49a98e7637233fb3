import { backoffMs } from '#platform/async/backoff.ts';
import { KeyedQueue } from '#platform/async/keyed-queue.ts';
import { DomainError, notFound, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { currentTraceId, inSpan } from '#platform/telemetry/spans.ts';
import type { Outcome } from '../model/operation.ts';
import { annotate } from '../reconcile/annotate.ts';
import type { EventLog } from '../reconcile/event-log.ts';
import { countOutcomes } from '../reconcile/count-outcomes.ts';
import { driftRows } from '../reconcile/metrics.ts';
import type { CommandRunner } from '../sys/command.ts';
import { applySteps } from './apply.ts';
import { refuseConflicts, refuseForeignLocal } from './conflicts.ts';
import { lookAtHost } from './look.ts';
import type { OverlayName } from './model/names.ts';
import type { ObservedHost } from './model/observed.ts';
import type { OverlayRecord, OverlaySpec, OverlayWish } from './model/spec.ts';
import type { OverlayStep } from './model/step.ts';
import { nameDevices, ownNames } from './plan/naming.ts';
import { notesFor } from './plan/notes.ts';
import { planOverlay } from './plan/plan.ts';
import type { DatapathWish, OverlayPlan } from './plan/plan.ts';
import { planRemoval } from './plan/removal.ts';
import { brokenPorts, failuresOf, statusOf } from './status.ts';
import type { OverlayStatus } from './status.ts';
import type { OverlayStore } from './store.ts';
import type { Switch } from './switch.ts';
import { HostWatch } from './watch.ts';

export interface OverlaysTools {
  readonly ovs: Switch & { connected(signal: AbortSignal): Promise<void> };
  readonly commands: CommandRunner;
  /** Enters another network namespace, as `commands` does. */
  readonly prefix?: readonly string[];
  readonly store: OverlayStore;
  readonly events: EventLog;
  readonly log: Log;
  readonly datapath: DatapathWish;
  /** Between two looks at a host where nothing was heard of. */
  readonly auditIntervalMs: number;
}

/** An overlay as it is told of. */
export interface OverlayView {
  readonly spec: OverlaySpec;
  readonly status: OverlayStatus;
  readonly driftRepaired: number;
  /** Of the bridge and the links; from before, while it cannot be told. */
  readonly mtu?: number;
}

/** What came of an apply or a delete; without errors where nothing was to be done but to look. */
export interface OverlayResult {
  readonly outcomes: readonly Outcome[];
  readonly notes: readonly string[];
}

interface Held {
  record: OverlayRecord;
  status: OverlayStatus;
  driftRepaired: number;
  /** The devices by which its peers are reached: their MTU is the overlay's. */
  underlay: readonly string[];
  /** It was right once since the start: what differs from then on is somebody else's doing. */
  wasRight: boolean;
  failures: number;
}

/** What is heard at once is looked at once, this long after the first word. */
const GATHER_MS = 50;
const RETRY = { baseMs: 500, maxMs: 10_000 };
/** A round may uncover what another one must mend; more than that is a quarrel with somebody else. */
const ROUNDS = 3;
const NEW: Omit<Held, 'record'> = {
  status: { state: 'waiting', messages: ['not looked at yet'] },
  ...{ driftRepaired: 0, failures: 0, wasRight: false, underlay: [] },
};

/**
 * The overlays of this host that need no control plane: makes them, keeps them so, remembers them. One thing at a time,
 * since all of them share the host's names and its bridges. Open vSwitch may be away: then calls fail with `unavailable`,
 * and what is to be repaired waits.
 */
export class Overlays implements Component {
  readonly name = 'overlays';
  readonly #tools: OverlaysTools;
  readonly #held = new Map<OverlayName, Held>();
  readonly #turn = new KeyedQueue<'host'>();
  readonly #halt = new AbortController();
  readonly #watch: HostWatch;
  readonly #listeners = new Set<() => void>();
  #concerned: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;

  constructor(tools: OverlaysTools) {
    this.#tools = tools;
    this.#watch = new HostWatch({
      ovs: tools.ovs,
      prefix: tools.prefix ?? [],
      concerns: (device) => this.#concerned.has(device),
      heard: () => {
        this.#lookWithin(GATHER_MS);
      },
    });
  }

  /** Resolves once what the last run left is known; the host is compared with it in the background. */
  async start(signal: AbortSignal): Promise<void> {
    for (const record of await this.#tools.store.load()) {
      this.#held.set(record.spec.name, { ...NEW, record });
    }
    if (this.#held.size === 0) return;
    await this.#tools.ovs.connected(signal);
    await this.#begin(signal);
    this.#lookWithin(0);
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearTimeout(this.#timer);
    await this.#watch.stop();
    await this.#turn.idle();
    clearTimeout(this.#timer);
  }

  /** Has `heard` called whenever an overlay was looked at, or is gone; it must be cheap, and must not throw. */
  listen(heard: () => void): Disposable {
    this.#listeners.add(heard);
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(heard);
      },
    };
  }

  /** All overlays, by name; those that are being deleted included. */
  list(): readonly OverlayView[] {
    return [...this.#held.values()].map(viewOf).sort((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  }

  /** Throws `not_found`. */
  get(name: OverlayName): OverlayView {
    return viewOf(this.#require(name));
  }

  /** Makes the host hold the overlay. What is wrong with it is thrown before anything is done. */
  async apply(
    wish: OverlayWish,
    validateOnly: boolean,
    signal: AbortSignal,
  ): Promise<OverlayResult & { readonly view: OverlayView }> {
    return await this.#inTurn(signal, async () => {
      const before = this.#held.get(wish.name);
      const others = [...this.#held.values()].flatMap(({ record }) =>
        record.spec.name === wish.name ? [] : [record.spec],
      );
      const observed = await this.#look([wish], signal);
      const spec = nameDevices(wish, before?.record.spec, observed, new Set(others.flatMap(ownNames)));
      refuseConflicts(spec, others);
      refuseForeignLocal(spec, observed);
      const record = successor(spec, before?.record);
      const plan = this.#plan(record, observed);
      const [problem] = plan.problems;
      if (problem !== undefined) throw problem;
      const notes = notesFor(spec, observed, plan.mtu);
      const held: Held = { ...(before ?? NEW), record, wasRight: false };
      if (validateOnly) {
        const status: OverlayStatus = { state: 'waiting', messages: ['not applied'], ...factsOf(plan) };
        return { view: { ...viewOf(held), status }, outcomes: plan.steps.map((operation) => ({ operation })), notes };
      }
      await this.#tools.store.save(record);
      this.#held.set(spec.name, held);
      await this.#begin(signal);
      const outcomes = await this.#realise(held, observed, 'request');
      this.#nameConcerns();
      this.#lookWithin(this.#tools.auditIntervalMs);
      return { view: viewOf(held), outcomes, notes };
    });
  }

  /** Takes away what was made for an overlay. Throws `not_found`, `precondition` while others' ports would go along. */
  async delete(name: OverlayName, validateOnly: boolean, signal: AbortSignal): Promise<OverlayResult> {
    return await this.#inTurn(signal, async () => {
      const held = this.#held.get(name);
      const observed = await this.#look([], signal);
      const { steps, problems, released } = planRemoval(name, observed);
      if (held === undefined && steps.length === 0) throw notFound('overlay', name);
      const [problem] = problems;
      if (problem !== undefined) throw problem;
      const notes = released.map(
        ({ bridge, port }) => `${port} is not overlay ${name}'s: it was taken out of ${bridge} and left as it is`,
      );
      if (validateOnly) return { outcomes: steps.map((operation) => ({ operation })), notes };
      if (held !== undefined) {
        held.record = { ...held.record, deleting: true };
        await this.#tools.store.save(held.record);
      }
      const outcomes = await this.#perform(name, steps, 'request');
      if (failuresOf(outcomes).length === 0) await this.#forget(name);
      else this.#lookWithin(RETRY.baseMs);
      return { outcomes, notes };
    });
  }

  #require(name: OverlayName): Held {
    const held = this.#held.get(name);
    if (held === undefined) throw notFound('overlay', name);
    return held;
  }

  async #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.#halt.signal.throwIfAborted();
    return await this.#turn.run('host', work, signal);
  }

  /** Watches from the first overlay on: a host that has none pays nothing. */
  async #begin(signal: AbortSignal): Promise<void> {
    this.#nameConcerns();
    await this.#watch.start(signal);
  }

  async #look(more: readonly OverlayWish[], signal: AbortSignal): Promise<ObservedHost> {
    const { commands, ovs } = this.#tools;
    await ovs.connected(signal);
    const specs = [...this.#held.values()].map(({ record }) => record.spec);
    return await lookAtHost(commands, ovs, [...specs, ...more], signal);
  }

  #plan(record: OverlayRecord, observed: ObservedHost): OverlayPlan {
    return planOverlay(record, observed, this.#tools.datapath);
  }

  /** Rounds of doing and looking until there is nothing left to do, or it does not help. What is done is not undone by a caller who goes. */
  async #realise(held: Held, first: ObservedHost, cause: string): Promise<readonly Outcome[]> {
    const all: Outcome[] = [];
    let observed = first;
    let plan = this.#plan(held.record, observed);
    for (let round = 0; round < ROUNDS && plan.steps.length > 0; round += 1) {
      const outcomes = await this.#perform(held.record.spec.name, plan.steps, cause);
      all.push(...outcomes);
      observed = await this.#look([], this.#halt.signal);
      plan = this.#plan(held.record, observed);
      if (failuresOf(outcomes).length > 0) break;
    }
    await this.#settled(held, observed, plan, plan.steps.length === 0 ? [] : failuresOf(all));
    return all;
  }

  /** Takes up what the last look has found. */
  async #settled(held: Held, observed: ObservedHost, plan: OverlayPlan, failures: readonly string[]): Promise<void> {
    const { record } = held;
    const isDone = plan.steps.length === 0;
    const left = isDone ? [] : [`${plan.steps.length.toString()} steps are left to do`];
    const wrong = failures.length > 0 ? failures : [...brokenPorts(record.spec, observed), ...left];
    this.#tell(held, statusOf(plan.problems, wrong, factsOf(plan)));
    held.underlay = record.spec.peers.flatMap(({ remote }) => observed.routes.get(remote)?.device ?? []);
    held.failures = isDone ? 0 : held.failures + 1;
    held.wasRight ||= isDone;
    if (!isDone) this.#lookWithin(backoffMs(held.failures, RETRY, Math.random));
    for (const heard of this.#listeners) heard();
    const retired = isDone ? [] : record.retired;
    if (retired.length === record.retired.length && plan.mtu === record.lastMtu) return;
    held.record = { ...record, retired, ...(plan.mtu !== undefined && { lastMtu: plan.mtu }) };
    await this.#tools.store.save(held.record);
  }

  /** New problems are events; the same ones again are not. */
  #tell(held: Held, status: OverlayStatus): void {
    const { name } = held.record.spec;
    const fresh = status.messages.filter((message) => !held.status.messages.includes(message));
    held.status = status;
    const traceId = currentTraceId();
    for (const message of fresh) {
      this.#tools.log.warn({ overlay: name, problem: message, trace_id: traceId }, 'overlay not as it should be');
      this.#tools.events.emit({
        ...{ kind: 'refused', overlay: name, message: `overlay ${name}: ${message}` },
        ...(traceId !== undefined && { traceId }),
      });
    }
  }

  async #perform(name: string, steps: readonly OverlayStep[], cause: string): Promise<readonly Outcome[]> {
    if (steps.length === 0) return [];
    const { commands, ovs, log } = this.#tools;
    const attributes = { 'weft.overlay.name': name, 'weft.audit.cause': cause };
    const options = { attributes, ...(cause !== 'request' && { parent: 'root' as const }) };
    return await inSpan('agent.overlay', options, async (span) => {
      const outcomes = await applySteps(commands, ovs, steps, this.#halt.signal);
      annotate(span, outcomes);
      countOutcomes(outcomes, log.child({ overlay: name }));
      this.#nameConcerns();
      if (cause === 'drift') this.#reportDrift(name, outcomes);
      return outcomes;
    });
  }

  #reportDrift(overlay: string, outcomes: readonly Outcome[]): void {
    const { events, log } = this.#tools;
    const traceId = currentTraceId();
    const base = { overlay, outcomes, ...(traceId !== undefined && { traceId }) };
    const repaired = outcomes.length - failuresOf(outcomes).length;
    const steps = `${outcomes.length.toString()} step${outcomes.length === 1 ? '' : 's'}`;
    const held = [...this.#held.values()].find(({ record }) => record.spec.name === overlay);
    if (held !== undefined) held.driftRepaired += repaired;
    driftRows.add(outcomes.length, { overlay });
    events.emit({ kind: 'drift', message: `overlay ${overlay} differs from what was applied by ${steps}`, ...base });
    events.emit({ kind: 'repair', message: `overlay ${overlay}: ${repaired.toString()} of ${steps} done`, ...base });
    log.warn({ overlay, steps: outcomes.length, repaired, trace_id: traceId }, 'drift repaired');
  }

  /** Looks no later than that; a look that is due sooner stands. */
  #lookWithin(ms: number): void {
    const at = performance.now() + ms;
    if (this.#halt.signal.aborted || at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => {
      this.#dueAt = Infinity;
      void this.#turn
        .run('host', async () => {
          await this.#lookAtAll();
        })
        .finally(() => {
          if (this.#held.size > 0) this.#lookWithin(this.#tools.auditIntervalMs);
        });
    }, ms);
  }

  /** Never rejects. */
  async #lookAtAll(): Promise<void> {
    if (this.#halt.signal.aborted) return;
    for (const held of [...this.#held.values()]) {
      try {
        const observed = await this.#look([], this.#halt.signal);
        if (held.record.deleting) await this.#finishDeleting(held, observed);
        else await this.#realise(held, observed, held.wasRight ? 'drift' : 'start');
      } catch (thrown) {
        if (this.#halt.signal.aborted) return;
        const error = toError(thrown);
        const [problems, failures] = error instanceof DomainError ? [[error], []] : [[], [error.message]];
        this.#tell(held, statusOf(problems, failures, {}));
        held.failures += 1;
        this.#lookWithin(backoffMs(held.failures, RETRY, Math.random));
      }
    }
    this.#nameConcerns();
  }

  async #finishDeleting({ record }: Held, observed: ObservedHost): Promise<void> {
    const { steps, problems } = planRemoval(record.spec.name, observed);
    const [problem] = problems;
    if (problem !== undefined) throw problem;
    const outcomes = await this.#perform(record.spec.name, steps, 'start');
    const [failure] = failuresOf(outcomes);
    if (failure !== undefined) throw new Error(failure);
    await this.#forget(record.spec.name);
  }

  async #forget(name: OverlayName): Promise<void> {
    const held = this.#held.get(name);
    if (held === undefined) return;
    await this.#tools.store.remove(held.record);
    this.#held.delete(name);
    for (const heard of this.#listeners) heard();
    this.#nameConcerns();
  }

  /** The devices of all overlays, the bridges that they are linked to, and what they reach their peers by. */
  #nameConcerns(): void {
    const names = [...this.#held.values()].flatMap(({ record: { spec }, underlay }) => [
      ...ownNames(spec),
      ...underlay,
      ...spec.links.map(({ bridge }) => bridge),
    ]);
    this.#concerned = new Set(names);
  }
}

/** What is remembered of an overlay from now on, and what of the version before may still be on the host. */
const successor = (spec: OverlaySpec, before: OverlayRecord | undefined): OverlayRecord => ({
  spec,
  retired: [...(before?.retired ?? []), ...(before?.spec.addresses ?? [])].filter(
    (old, at, all) =>
      !spec.addresses.some(({ text }) => text === old.text) && all.findIndex(({ text }) => text === old.text) === at,
  ),
  deleting: false,
  ...(before?.lastMtu !== undefined && { lastMtu: before.lastMtu }),
});

const factsOf = ({ mtu, datapathType }: OverlayPlan) => ({ datapathType, ...(mtu !== undefined && { mtu }) });

const viewOf = ({ record, status, driftRepaired }: Held): OverlayView => {
  const mtu = record.spec.mtu ?? status.mtu ?? record.lastMtu;
  return { spec: record.spec, status, driftRepaired, ...(mtu !== undefined && { mtu }) };
};

import { backoffMs } from '#platform/async/backoff.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { follow, type LinkedSignal } from '#platform/async/follow.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import { commandOf, type Operation, type Outcome } from '../../model/operation.ts';
import type { Uuid } from '../../protocols/ovsdb/uuid.ts';
import { FlowTable } from '../../protocols/ovsdb/vswitch-tables.ts';
import { planBase } from './base-plan.ts';
import type { ObservedBase, ObservedTunnel } from './base-plan.ts';
import { udpPortOf } from './devices.ts';
import type { FlowSpec } from './flow-spec.ts';
import { BRIDGE_MARK, TUNNEL_MARK } from './marks.ts';
import type { OvsOperation } from './operations.ts';
import { BASE_COOKIE } from './pipeline.ts';
import type { Site } from './site.ts';
import type { SwitchView } from './switch-view.ts';

/** `auto`: the kernel's, where ovs-vswitchd has it, else that of user space. */
export type DatapathSetting = 'auto' | 'system' | 'netdev';

export interface SharedBaseTools {
  readonly site: Site;
  readonly datapath: DatapathSetting;
  readonly view: SwitchView;
  readonly log: Log;
  readonly flowsAreReached: () => boolean;
  readonly flows: (cookie: bigint, signal: AbortSignal) => Promise<readonly FlowSpec[]>;
  readonly apply: (operations: readonly Operation[], signal: AbortSignal) => Promise<readonly Outcome[]>;
  /** Told after each look, with what was done. */
  readonly onSettled: (outcomes: readonly Outcome[]) => void;
}

const LOOK_MS = 10_000;
const INTERVAL_MS = 30_000;
const RETRY = { baseMs: 100, maxMs: 5_000 };
/** Changes of the database come in bursts, most of them our own. */
const SUSPICION_MS = 50;
const PATIENCE_MS = 500;

/** Keeps right what all networks of a host share: the bridge, the tunnel, the flows that are no network's. */
export class SharedBase {
  readonly #tools: SharedBaseTools;
  readonly #halt = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #suspectedSince: number | undefined;
  /** The row of the bridge that was found to be the agent's. */
  #ours: Uuid | undefined;
  #complaint: string | undefined;
  #pause: LinkedSignal | undefined;

  constructor(tools: SharedBaseTools) {
    this.#tools = tools;
  }

  /** Looks once, and mends; rejects when that fails. */
  async settle(signal: AbortSignal): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    const outcomes = await this.#alone(async () => this.#look(signal));
    const failure = outcomes.find(({ error }) => error !== undefined);
    if (failure?.error !== undefined) {
      throw new DomainError('unavailable', 'BRIDGE_NOT_MADE', `${commandOf(failure.operation)}: ${failure.error}`);
    }
    this.#armNext();
  }

  /** Looks now, in the background, and again until it is right. */
  ensure(): void {
    if (this.#halt.signal.aborted) return;
    this.#suspectedSince = undefined;
    if (this.#running !== undefined) {
      this.#again = true;
      this.#pause?.abort();
      return;
    }
    clearTimeout(this.#timer);
    void this.#alone(async () => this.#run());
  }

  /** Something changed that may concern it: looks when it has been quiet, and now and then if it never is. */
  suspect(): void {
    const now = performance.now();
    this.#suspectedSince ??= now;
    this.#arm(Math.max(0, Math.min(SUSPICION_MS, this.#suspectedSince + PATIENCE_MS - now)));
  }

  /** What would be done now. */
  async plan(signal: AbortSignal): Promise<readonly Operation[]> {
    const { site, view } = this.#tools;
    const reached = this.#tools.flowsAreReached();
    const operations = planBase(site, this.#datapathType(), await this.#observe(reached, signal));
    // What is under a bridge that is still to be made, or out of reach, is looked at when it is there.
    return reached && view.bridgeRow !== undefined ? operations : operations.filter((each) => !isAboutFlows(each));
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearTimeout(this.#timer);
    this.#again = false;
    await this.#running;
  }

  /** Nothing else is done meanwhile: two that look at once would do the same twice. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = work();
    const end = (): void => {
      this.#running = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.ensure();
    };
    this.#running = done.then(end, end);
    return await done;
  }

  /** What was suspected during a look may have changed behind it: that stays due when it was. */
  #armNext(): void {
    if (this.#suspectedSince === undefined) this.#arm(INTERVAL_MS);
  }

  #arm(ms: number): void {
    if (this.#halt.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.ensure();
    }, ms);
  }

  async #run(): Promise<void> {
    const { log } = this.#tools;
    const { signal } = this.#halt;
    try {
      const outcomes = await withDeadline(LOOK_MS, signal, async (limited) => this.#look(limited));
      this.#failures = outcomes.some(({ error }) => error !== undefined) ? this.#failures + 1 : 0;
      this.#complaint = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      this.#failures += 1;
      const error = toError(thrown).message;
      if (error !== this.#complaint) log.warn({ error }, 'the integration bridge is not as it should be');
      this.#complaint = error;
    }
    if (this.#failures > 0) await this.#rest(backoffMs(this.#failures - 1, RETRY, Math.random));
    if (this.#failures > 0) this.#arm(0);
    else this.#armNext();
  }

  /** Until it is time to try again, or somebody asks for it. */
  async #rest(ms: number): Promise<void> {
    if (this.#again) return;
    using pause = follow(this.#halt.signal);
    this.#pause = pause;
    await sleep(ms, pause.signal).catch(() => undefined);
    this.#pause = undefined;
  }

  async #look(signal: AbortSignal): Promise<readonly Outcome[]> {
    const operations = await this.plan(signal);
    const outcomes = operations.length === 0 ? [] : await this.#tools.apply(operations, signal);
    this.#tools.onSettled(outcomes);
    return outcomes;
  }

  #datapathType(): string {
    const { datapath, view } = this.#tools;
    if (datapath !== 'auto') return datapath;
    const known = view.root?.datapath_types ?? [];
    if (known.length > 0) return known.includes('system') ? 'system' : 'netdev';
    // An ovs-vswitchd that has never run has not said yet what it has.
    const { datapath_type: current } = view.bridgeRow?.row ?? {};
    if (current !== undefined && current !== '') return current;
    throw new DomainError(
      'unavailable',
      'OVS_UNREACHABLE',
      'ovs-vswitchd has not said which datapaths it has: is it running?',
    );
  }

  async #observe(reached: boolean, signal: AbortSignal): Promise<ObservedBase> {
    const { view } = this.#tools;
    const { uuid, row: bridge } = view.bridgeRow ?? {};
    if (bridge === undefined) return { tunnels: new Map(), flows: [] };
    if (bridge.external_ids.has(BRIDGE_MARK)) this.#ours = uuid;
    const names = view.rows(FlowTable);
    const tables = new Map<number, string>();
    for (const [table, uuid] of bridge.flow_tables) {
      const name = names.get(uuid)?.name;
      if (name !== undefined) tables.set(table, name);
    }
    const tunnels = new Map<string, ObservedTunnel>();
    for (const [device, { port, interface: row }] of view.portRows()) {
      if (udpPortOf(device) === undefined) continue;
      tunnels.set(device, { type: row.type, options: row.options, isOurs: port.external_ids.has(TUNNEL_MARK) });
    }
    return {
      bridge: {
        datapathType: bridge.datapath_type,
        protocols: bridge.protocols,
        ids: bridge.external_ids,
        wasOurs: uuid === this.#ours,
        tables,
        ...(bridge.fail_mode !== undefined && { failMode: bridge.fail_mode }),
      },
      tunnels,
      flows: reached ? await this.#tools.flows(BASE_COOKIE, signal) : [],
    };
  }
}

const isAboutFlows = (operation: Operation): boolean =>
  'change' in operation && ['add-flow', 'delete-flow'].includes((operation as OvsOperation).change.kind);

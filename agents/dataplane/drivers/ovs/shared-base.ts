import { backoffMs } from '#platform/async/backoff.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { Operation, Outcome } from '../../model/operation.ts';
import { FlowTable } from '../../protocols/ovsdb/vswitch-tables.ts';
import { planBase } from './base-plan.ts';
import type { ObservedBase } from './base-plan.ts';
import { tunnelName } from './devices.ts';
import type { FlowSpec } from './flow-spec.ts';
import type { OvsOperation } from './operations.ts';
import { BASE_COOKIE } from './pipeline.ts';
import type { Site } from './plan.ts';
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

  constructor(tools: SharedBaseTools) {
    this.#tools = tools;
  }

  /** Looks once, and mends; rejects when that fails. */
  async settle(signal: AbortSignal): Promise<void> {
    await this.#running;
    const outcomes = await this.#look(signal);
    const failure = outcomes.find(({ error }) => error !== undefined);
    if (failure?.error !== undefined) {
      throw new DomainError('unavailable', 'BRIDGE_NOT_MADE', `${failure.operation.argv.join(' ')}: ${failure.error}`);
    }
    this.#arm(INTERVAL_MS);
  }

  /** Looks now, in the background, and again until it is right. */
  ensure(): void {
    if (this.#halt.signal.aborted) return;
    this.#suspectedSince = undefined;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) {
        this.#again = false;
        this.ensure();
      }
    });
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
    } catch (thrown) {
      if (signal.aborted) return;
      this.#failures += 1;
      log.warn({ error: toError(thrown).message }, 'the integration bridge is not as it should be');
    }
    if (this.#failures > 0)
      await sleep(backoffMs(this.#failures - 1, RETRY, Math.random), signal).catch(() => undefined);
    this.#arm(this.#failures > 0 ? 0 : INTERVAL_MS);
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
    return view.root?.datapath_types.includes('system') === true ? 'system' : 'netdev';
  }

  async #observe(reached: boolean, signal: AbortSignal): Promise<ObservedBase> {
    const { site, view } = this.#tools;
    const bridge = view.bridgeRow?.row;
    if (bridge === undefined) return { flows: [] };
    const names = view.rows(FlowTable);
    const tables = new Map<number, string>();
    for (const [table, uuid] of bridge.flow_tables) {
      const name = names.get(uuid)?.name;
      if (name !== undefined) tables.set(table, name);
    }
    const tunnel = view.portRows().get(tunnelName(site.host.vtep.udpPort))?.interface;
    return {
      bridge: {
        datapathType: bridge.datapath_type,
        ids: bridge.external_ids,
        tables,
        ...(bridge.fail_mode !== undefined && { failMode: bridge.fail_mode }),
      },
      ...(tunnel?.type === 'vxlan' && { tunnel: tunnel.options }),
      flows: reached ? await this.#tools.flows(BASE_COOKIE, signal) : [],
    };
  }
}

const isAboutFlows = (operation: Operation): boolean =>
  'change' in operation && ['add-flow', 'delete-flow'].includes((operation as OvsOperation).change.kind);

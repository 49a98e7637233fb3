import { randomUUID } from 'node:crypto';
import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { spreadMs } from '#platform/async/spread.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { detached } from '#platform/telemetry/spans.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { DesiredStore } from '../intake/desired-store.ts';
import type { ForwardingFeed, ForwardingSource, PortRegistry } from '../model/control-plane.ts';
import type { Dataplane, KernelEvent, LinkEvent } from '../model/host.ts';
import type { HostIdentity } from '../model/intent.ts';
import type { HostLimits } from '../plan/refusal.ts';
import type { PortSecurity } from '../model/port-security.ts';
import { DevicePorts } from './device-ports.ts';
import { EventLog } from './event-log.ts';
import { Later } from './later.ts';
import { Networks } from './networks.ts';
import type { PendingDowns } from './pending-downs.ts';
import { PortSecurities } from './port-securities.ts';
import type { ReportedDevices } from './reported-devices.ts';
import { SpoofMeter } from './spoof-meter.ts';
import type { WorkerTiming } from './worker-ports.ts';

export interface HostAgentTools {
  readonly host: HostIdentity;
  readonly limits: HostLimits;
  readonly dataplane: Dataplane;
  readonly registry: PortRegistry;
  readonly source: ForwardingSource;
  readonly feed: ForwardingFeed;
  readonly states: DesiredStore;
  readonly downs: PendingDowns;
  readonly reported: ReportedDevices;
  readonly log: Log;
  readonly timing: WorkerTiming & { readonly leaseMs: number; readonly reportIntervalMs: number };
}

const RETRY = { baseMs: 200, maxMs: 5_000 };
/** A kernel that tells of many changes at once is looked at once, this long after the first word. */
const SUSPICION_MS = 30;
/** After a look at the kernel until l2pop is told of it. */
const REPORT_SOON_MS = 200;

/** One host: its networks, its devices, and its ties to the control plane, each of which may be away. */
export class HostAgent implements Component {
  readonly name = 'host-agent';
  readonly epoch = randomUUID();
  readonly startTime = new Date();
  readonly events = new EventLog();
  readonly networks: Networks;
  readonly devices: DevicePorts;
  readonly spoofed: SpoofMeter;
  readonly #tools: HostAgentTools;
  readonly #halt = new AbortController();
  readonly #securities = new PortSecurities();
  readonly #later = new Later();
  readonly #links = new Map<string, LinkEvent>();
  readonly #fail: (error: Error) => void;
  #loops: Promise<unknown>[] = [];
  #registered = false;
  #l2popReached = false;
  #reporting: Promise<void> | undefined;
  #soon: NodeJS.Timeout | undefined;

  constructor(tools: HostAgentTools, fail: (error: Error) => void) {
    this.#tools = tools;
    this.#fail = fail;
    this.networks = new Networks({
      ...tools,
      events: this.events,
      later: this.#later,
      observer: {
        withdrawn: (port) => {
          this.devices.onWithdrawn(port);
        },
        assigned: (entry) => {
          this.devices.onAssigned(entry);
        },
        audited: () => {
          this.#reportSoon();
        },
      },
    });
    this.spoofed = new SpoofMeter({ ...tools, networks: this.networks, intervalMs: tools.timing.auditIntervalMs });
    this.devices = new DevicePorts({
      ...tools,
      networks: this.networks,
      events: this.events,
      securities: this.#securities,
    });
  }

  get controlPlane(): { topology: boolean; l2pop: boolean; bus: boolean } {
    return { topology: this.#registered, l2pop: this.#l2popReached, bus: this.#tools.feed.connected };
  }

  /** Operations done since the start. */
  get operations(): number {
    return this.networks.operations;
  }

  get links(): ReadonlyMap<string, LinkEvent> {
    return this.#links;
  }

  /** Resolves once what the last run left is taken up; the host is compared with it in the background. */
  async start(): Promise<void> {
    await this.#tools.downs.load();
    this.#tools.reported.load();
    const tables = await this.#tools.states.load();
    for (const table of tables) {
      for (const port of table.ports.values()) this.devices.adopt(table.networkId, port);
      this.networks.adopt(table);
    }
    this.#loops = [
      this.#watchKernel(),
      this.#keepLease(),
      this.#keepReporting(),
      this.spoofed.keepCounting(this.#halt.signal),
      this.#begin(tables.map(({ networkId }) => networkId)),
    ].map(async (loop) => {
      try {
        await loop;
      } catch (thrown) {
        if (!this.#halt.signal.aborted) this.#fail(toError(thrown));
      }
    });
  }

  async stop(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    clearTimeout(this.#soon);
    await this.devices.stop();
    await this.networks.stop();
    await Promise.all(this.#loops);
    await this.#reporting;
    await this.#tools.states.flush();
  }

  /** The bus is back: what was missed is asked for now, not at the next report. */
  onBusConnected(): void {
    if (this.#loops.length > 0) this.#reportSoon();
  }

  /** Takes up what a port bound to this host may send: now when it is plugged, else when it will be. */
  setPortSecurity(portId: string, security: PortSecurity): void {
    this.#securities.set(portId, security);
    this.networks.secure(portId, security);
  }

  /** The port is bound to this host no more: what was said of it holds for nothing. */
  endPortSecurity(portId: string): void {
    this.#securities.end(portId);
  }

  /** Takes the snapshots again and compares; the whole host or one network. */
  async resync(networkId: string): Promise<{ networks: number; outcomes: Awaited<ReturnType<Networks['auditAll']>> }> {
    const workers = networkId === '' ? this.networks.all : [this.networks.require(networkId)];
    await Promise.all(workers.map(async (worker) => worker.sync('snapshot', 'request')));
    const outcomes = await this.networks.auditAll(workers, 'request');
    this.events.emit({
      kind: 'resync',
      message: `${workers.length.toString()} networks compared on request`,
      outcomes,
    });
    return { networks: workers.length, outcomes };
  }

  /**
   * What the last run left is first brought up to date, then compared with the kernel, so that nothing is taken away on
   * the strength of an old state. Without the control plane it is compared after a grace, and nothing is taken away.
   */
  async #begin(adopted: readonly string[]): Promise<void> {
    const { timing } = this.#tools;
    await Promise.all(
      adopted.map(async (networkId) => {
        const worker = this.networks.get(networkId);
        if (worker === undefined) return;
        const grace = sleep(timing.startGraceMs, this.#halt.signal).catch(() => undefined);
        await Promise.race([worker.sync('changes', 'start'), grace]);
        await worker.audit('start').catch(() => undefined);
      }),
    );
    await this.devices.firstReports(this.#halt.signal);
    for (const worker of this.networks.all) await this.networks.releaseIfEmpty(worker.table.networkId);
    await this.networks.removeStrays(this.#halt.signal).catch((thrown: unknown) => {
      this.#tools.log.warn({ error: toError(thrown).message }, 'strays not looked for');
    });
  }

  async #watchKernel(): Promise<void> {
    const suspects = new Set<string>();
    let timer: NodeJS.Timeout | undefined;
    const suspect = (networkId: string): void => {
      suspects.add(networkId);
      timer ??= setTimeout(() => {
        timer = undefined;
        for (const id of suspects) this.networks.get(id)?.suspect('drift');
        suspects.clear();
      }, SUSPICION_MS);
    };
    let settled = false;
    try {
      for await (const event of this.#tools.dataplane.events(this.#halt.signal)) {
        this.#onKernel(event, suspect);
        if (event.kind === 'overrun') for (const { table } of this.networks.all) suspect(table.networkId);
        if (event.kind === 'listed' && !settled) {
          settled = true;
          this.devices.settleAdopted();
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #onKernel(event: KernelEvent, suspect: (networkId: string) => void): void {
    if (event.kind === 'link') {
      const { link } = event;
      if (link.kind === 'gone') this.#links.delete(link.name);
      else this.#links.set(link.name, link);
      this.devices.onLink(link);
      // Our own steps tell of themselves as well; a look that finds nothing costs little and is spaced.
      for (const owner of this.networks.ownersOf(link.name)) {
        if (link.kind === 'gone' || this.networks.isMisplaced(owner, link)) suspect(owner);
      }
    } else if (event.kind === 'row') {
      for (const owner of this.networks.ownersOf(event.device)) suspect(owner);
    } else if (event.kind === 'network') {
      const owner = this.networks.ofVni(event.vni);
      if (owner !== undefined) suspect(owner);
    } else if (event.kind === 'guards') {
      this.#tools.log.warn({}, event.message);
      // Guests may send anything meanwhile: this does not wait for its turn. A failure is told and tried again.
      for (const worker of this.networks.all) worker.audit('drift').catch(() => undefined);
    } else if (event.kind === 'repaired') {
      const { outcomes } = event;
      this.events.emit({ kind: 'repair', message: 'what all networks share was not as it should be', outcomes });
    } else if (event.kind === 'warning') {
      const { device, message } = event;
      this.events.emit({ kind: 'warning', device, message });
      this.#tools.log.warn({ device }, message);
    } else if (event.kind === 'wiped') {
      this.events.emit({ kind: 'drift', message: 'all that was written is gone: it is written again' });
      for (const worker of this.networks.all) worker.rewrite();
    }
  }

  async #keepLease(): Promise<void> {
    const { registry, timing, log } = this.#tools;
    const { signal } = this.#halt;
    for (let attempt = 0; !signal.aborted;) {
      try {
        if (this.#registered) await registry.renew(signal);
        else {
          await registry.register(signal);
          this.#registered = true;
          log.info({}, 'registered');
        }
        attempt = 0;
        await sleep(timing.leaseMs / 3, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        this.#registered = false;
        if (attempt === 0) log.warn({ error: toError(thrown).message }, 'not registered, retrying');
        await sleep(backoffMs(attempt++, RETRY, Math.random), signal).catch(() => undefined);
      }
    }
  }

  async #keepReporting(): Promise<void> {
    const { timing, log } = this.#tools;
    const { signal } = this.#halt;
    while (!signal.aborted) {
      // Hosts that started together must not report together.
      await sleep(spreadMs(timing.reportIntervalMs, Math.random), signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#report().catch((thrown: unknown) => {
        if (this.#l2popReached) log.warn({ error: toError(thrown).message }, 'l2pop not reached');
        this.#l2popReached = false;
      });
      this.devices.recheck();
      if (this.networks.hasStrays) await this.networks.removeStrays(signal).catch(() => undefined);
    }
  }

  /** Networks that were looked at together are reported together, hosts that were not at different times. */
  #reportSoon(): void {
    if (this.#soon !== undefined || this.#halt.signal.aborted) return;
    this.#soon = setTimeout(
      () => {
        this.#soon = undefined;
        // It is about all networks, whichever step set it off.
        detached(() => {
          this.#report().catch(() => undefined);
        });
      },
      spreadMs(REPORT_SOON_MS, Math.random),
    );
  }

  async #report(): Promise<void> {
    this.#reporting ??= this.#reportOnce().finally(() => {
      this.#reporting = undefined;
    });
    await this.#reporting;
  }

  async #reportOnce(): Promise<void> {
    const held = this.networks.all.flatMap((worker) =>
      worker.table.isOverlay ? [[worker, worker.held] as const] : [],
    );
    const advices = await this.#tools.source.report(
      held.map(([, each]) => each),
      this.#halt.signal,
    );
    this.#l2popReached = true;
    for (const [worker, each] of held) worker.reported(each);
    for (const { networkId, advice } of advices) {
      const worker = this.networks.get(networkId);
      if (worker === undefined) continue;
      // Not awaited: a network that is slow to pull must not hold up the reports of the others. `stop` awaits it.
      if (advice === 'fetch-changes') void worker.sync('changes', 'behind');
      else {
        void worker.sync('snapshot', 'digest').then(() => {
          worker.suspect('advice');
        });
      }
    }
  }
}

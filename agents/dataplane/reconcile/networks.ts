import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Vni } from '#platform/net/vni.ts';
import { NetworkTable } from '../intake/network-table.ts';
import type { LinkEvent } from '../model/host.ts';
import type { LocalPort, NetworkFacts } from '../model/intent.ts';
import type { PortSecurity } from '../model/port-security.ts';
import type { Outcome } from '../model/operation.ts';
import { sameFacts } from '../plan/segment.ts';
import type { AuditCause } from './audit.ts';
import { NetworkWorker } from './network-worker.ts';
import { removeNetwork } from './remove-network.ts';
import type { WorkerTools } from './worker-ports.ts';

/**
 * The networks this host holds, one worker each. A network is held as long as a port of it is plugged here or it is pinned,
 * and taken off the host after that.
 */
export class Networks {
  readonly #tools: WorkerTools;
  readonly #workers = new Map<string, NetworkWorker>();
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #pinned = new Set<string>();
  #stopped = false;
  #operationsOfGone = 0;
  #hasStrays = false;

  constructor(tools: WorkerTools) {
    this.#tools = tools;
  }

  get all(): readonly NetworkWorker[] {
    return [...this.#workers.values()];
  }

  /** Operations done on all networks since the start. */
  get operations(): number {
    return this.all.reduce((sum, { operations }) => sum + operations, this.#operationsOfGone);
  }

  /** Whether something of a network is still on the host that could not be taken off it. */
  get hasStrays(): boolean {
    return this.#hasStrays;
  }

  get(networkId: string): NetworkWorker | undefined {
    return this.#workers.get(networkId);
  }

  /** The worker of a network, or NOT_FOUND for callers of the API. */
  require(networkId: string): NetworkWorker {
    const worker = this.#workers.get(networkId);
    if (worker === undefined) {
      throw new DomainError('not_found', 'NETWORK_NOT_HELD', `this host holds no port of network "${networkId}"`, {
        details: { network: networkId },
      });
    }
    return worker;
  }

  /** A port that is plugged here and its network's worker, or NOT_FOUND for callers of the API. */
  requirePort(portId: string): { readonly worker: NetworkWorker; readonly port: LocalPort } {
    for (const worker of this.#workers.values()) {
      const port = worker.table.ports.get(portId);
      if (port !== undefined) return { worker, port };
    }
    throw new DomainError('not_found', 'PORT_NOT_PLUGGED', `port "${portId}" is not plugged on this host`);
  }

  /** Holds a network from what the last run left on disk. */
  adopt(table: NetworkTable): NetworkWorker {
    const worker = new NetworkWorker(table, this.#tools);
    this.#workers.set(table.networkId, worker);
    return worker;
  }

  /** The worker of a network, made when there is none; waits for one that is just leaving. */
  async hold(facts: NetworkFacts): Promise<NetworkWorker> {
    for (;;) {
      const leaving = this.#leaving.get(facts.networkId);
      if (leaving === undefined) break;
      await leaving;
    }
    if (this.#stopped) throw new DomainError('unavailable', 'STOPPING', 'the agent is stopping');
    let known = this.#workers.get(facts.networkId);
    if (known !== undefined && known.table.provider?.device !== facts.provider?.device) {
      // Another way to its physical network: what led there before is let go first.
      await this.#give(known);
      known = undefined;
    }
    if (known !== undefined) {
      if (!sameFacts(known.table, facts)) known.push({ kind: 'facts', facts, cause: {} });
      return known;
    }
    const worker = this.adopt(new NetworkTable(this.#tools.host, facts));
    void worker.sync('snapshot', 'first-port');
    return worker;
  }

  /** Keeps a network that is held, now or later, until it is unpinned: somebody is about to plug ports in by its bridge. */
  pin(networkId: string): void {
    this.#pinned.add(networkId);
  }

  /** Lets it go with its last port. */
  async unpin(networkId: string): Promise<void> {
    this.#pinned.delete(networkId);
    await this.releaseIfEmpty(networkId);
  }

  /** Takes a network off the host when no port of it is plugged any more. */
  async releaseIfEmpty(networkId: string): Promise<void> {
    const worker = this.#workers.get(networkId);
    if (worker === undefined || !worker.isEmpty || this.#pinned.has(networkId) || this.#stopped) return;
    await this.#give(worker);
  }

  async #give(worker: NetworkWorker): Promise<void> {
    const { networkId } = worker.table;
    this.#workers.delete(networkId);
    const leave = this.#leave(worker).finally(() => {
      this.#leaving.delete(networkId);
    });
    this.#leaving.set(networkId, leave);
    await leave;
  }

  /** Takes up what a port may send, if it is plugged here. */
  secure(portId: string, security: PortSecurity): void {
    for (const worker of this.#workers.values()) worker.secure(portId, security);
  }

  /** Compares these networks with the kernel now; what was done on all of them. */
  async auditAll(workers: readonly NetworkWorker[], cause: AuditCause): Promise<readonly Outcome[]> {
    return (await Promise.all(workers.map(async (worker) => worker.audit(cause)))).flat();
  }

  /** The networks that a bridge, a tunnel or a plugged device serves. */
  ownersOf(device: string): readonly Uuid[] {
    const owners: Uuid[] = [];
    for (const { table } of this.#workers.values()) {
      const { bridge, tunnel } = this.#tools.dataplane.devicesOf(table);
      if (device === bridge || device === tunnel || hasDevice(table, device)) owners.push(table.networkId);
    }
    return owners;
  }

  /** The network that has a VNI. */
  ofVni(vni: Vni): Uuid | undefined {
    for (const { table } of this.#workers.values()) if (table.vni === vni) return table.networkId;
    return undefined;
  }

  /** The network that alone is behind a bridge. */
  ofBridge(bridge: string): Uuid | undefined {
    let found: Uuid | undefined;
    for (const { table } of this.#workers.values()) {
      if (this.#tools.dataplane.devicesOf(table).bridge !== bridge) continue;
      if (found !== undefined) return undefined;
      found = table.networkId;
    }
    return found;
  }

  /** Whether a device of a network is in another bridge than that network's, or in none. */
  isMisplaced(networkId: Uuid, link: LinkEvent): boolean {
    const worker = this.#workers.get(networkId);
    if (worker === undefined) return false;
    const { bridge } = this.#tools.dataplane.devicesOf(worker.table);
    return link.name !== bridge && link.master !== bridge;
  }

  /**
   * Takes off networks whose mark is on the host and that nobody wants: left behind by an earlier run, or by a removal that
   * could not be done. Rejects as the dataplane does; `hasStrays` then.
   */
  async removeStrays(signal: AbortSignal): Promise<void> {
    const { dataplane } = this.#tools;
    this.#hasStrays = true;
    let isComplete = true;
    for (const owned of (await dataplane.observeOwned(signal)).values()) {
      if (this.#workers.has(owned.networkId) || this.#leaving.has(owned.networkId)) continue;
      const operations = dataplane.planRemoval(owned);
      const outcomes = await dataplane.apply(operations, signal);
      isComplete &&= outcomes.every(({ error }) => error === undefined);
      this.#tools.events.emit({
        kind: 'repair',
        networkId: owned.networkId,
        message: `network ${owned.networkId} has no port here: its devices are removed`,
        outcomes,
      });
    }
    this.#hasStrays = !isComplete;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#workers.values()].map(async (worker) => worker.stop()));
    await Promise.all(this.#leaving.values());
  }

  async #leave(worker: NetworkWorker): Promise<void> {
    await worker.stop();
    const { operations, isComplete } = await removeNetwork(this.#tools, worker.table.networkId);
    this.#operationsOfGone += worker.operations + operations;
    this.#hasStrays ||= !isComplete;
    this.#tools.states.forget(worker.table.networkId);
  }
}

const hasDevice = (table: NetworkTable, device: string): boolean => {
  for (const port of table.ports.values()) if (port.device === device) return true;
  return false;
};

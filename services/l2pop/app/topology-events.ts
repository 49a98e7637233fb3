import type { Uuid } from '#platform/net/names.ts';
import type { Host, Network, Port, Vtep } from '../domain/entry.ts';
import { removePort } from '../domain/placement.ts';
import type { TableOperation } from '../domain/table.ts';
import { lag } from './metrics.ts';
import type { NetworkTypes } from './network-types.ts';
import type { Placer } from './placer.ts';
import type { Cause, NetworkIndex, Topology } from './ports.ts';
import type { TableQueues } from './table-queues.ts';

/** What an event of topology is about; `gone`: it was deleted, this is its last state. */
export type TopologyChange =
  | { readonly kind: 'port'; readonly gone: boolean; readonly port: Port; readonly vtep?: Vtep }
  | { readonly kind: 'host'; readonly gone: boolean; readonly host: Host }
  | { readonly kind: 'network'; readonly gone: boolean; readonly network: Network };

/** An event of topology, delivered at least once and in any order. */
export interface TopologyEvent {
  readonly change: TopologyChange;
  readonly cause: Cause;
  readonly redelivered: boolean;
}

/** Keeps tables true to topology's events. Handling an event again, or late, changes nothing. */
export class TopologyEvents {
  readonly #placer: Placer;
  readonly #tables: TableQueues;
  readonly #topology: Topology;
  readonly #networks: { readonly index: NetworkIndex; readonly types: NetworkTypes };

  constructor(
    placer: Placer,
    tables: TableQueues,
    topology: Topology,
    networks: { readonly index: NetworkIndex; readonly types: NetworkTypes },
  ) {
    this.#placer = placer;
    this.#tables = tables;
    this.#topology = topology;
    this.#networks = networks;
  }

  /** Resolves once the tables have it and the hosts were told. */
  async handle({ change, cause, redelivered }: TopologyEvent, signal: AbortSignal): Promise<void> {
    switch (change.kind) {
      case 'port':
        await this.#port(change, cause, redelivered, signal);
        return;
      case 'host':
        await this.#host(change, cause, redelivered, signal);
        return;
      case 'network':
        await this.#network(change, signal);
        return;
    }
  }

  async #port(
    { port, vtep, gone }: Extract<TopologyChange, { kind: 'port' }>,
    cause: Cause,
    redelivered: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const overlay = this.#placer.networks.isOverlay(port.networkId);
    if (overlay === false) return;
    const told = { ...(vtep !== undefined && { vtep }), redelivered };
    const operation = gone ? removePort(port, redelivered) : await this.#placer.place(port, told, signal);
    await this.#submit(port.networkId, [operation], cause);
  }

  /** Its ports are placed anew: their VTEP, or whether they count at all, may be another now. */
  async #host(
    { host, gone }: Extract<TopologyChange, { kind: 'host' }>,
    cause: Cause,
    redelivered: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    if (gone) {
      this.#placer.hosts.forget(host.id, host.revision);
      lag.forget({ host: host.id });
      return;
    }
    this.#placer.hosts.learn(host);
    for await (const ports of this.#topology.ports(host.id, signal)) {
      const placed = this.#placer.placeListed(ports, redelivered);
      await Promise.all([...placed].map(([networkId, operations]) => this.#submit(networkId, operations, cause)));
    }
  }

  async #submit(networkId: Uuid, operations: readonly TableOperation[], cause: Cause): Promise<void> {
    await this.#tables.submit(networkId, operations, cause);
    // Asked only now, and not waited for: nearly all networks are overlays, and the table of one that turns out not to be
    // is emptied of what has entered it.
    if (this.#placer.networks.isOverlay(networkId) !== true) this.#networks.types.look(networkId);
  }

  async #network({ network, gone }: Extract<TopologyChange, { kind: 'network' }>, signal: AbortSignal): Promise<void> {
    if (gone) {
      this.#placer.networks.forget(network.id);
      await this.#networks.index.retire(network.id, network.revision, signal);
      return;
    }
    this.#placer.networks.learn(network);
    if (network.overlay) await this.#networks.index.add([network], signal);
  }
}

import type { Log } from '#platform/log/log.ts';
import type { Uuid } from '#platform/net/names.ts';
import { carrier, inSpan } from '#platform/telemetry/spans.ts';
import type { TableOperation } from '../domain/table.ts';
import { reconciled } from './metrics.ts';
import type { NetworkTypes } from './network-types.ts';
import type { Placer } from './placer.ts';
import type { AuditedEntry, Cause, NetworkIndex, TableAudit, Topology } from './ports.ts';
import type { TableQueues } from './table-queues.ts';

const PAGE = 500;

/** What a reconciliation works with. */
export interface ReconciliationParts {
  readonly topology: Topology;
  readonly placer: Placer;
  readonly tables: TableQueues;
  readonly index: NetworkIndex;
  readonly audit: TableAudit;
  readonly types: NetworkTypes;
  readonly log: Log;
}

/** What topology has, as far as it matters for what the tables have too much. */
interface Listing {
  readonly networks: ReadonlySet<Uuid>;
  /** Port → its network: an id may come back in another one. */
  readonly ports: ReadonlyMap<Uuid, Uuid>;
}

/**
 * Compares all tables with topology's record and sets right what differs, whatever the reason: events that were lost with
 * their stream, tables that were lost with their store. Harmless at any time, beside events and other replicas too: what it
 * lists carries revisions, and what it would remove it asks for by name first.
 */
export class Reconciliation {
  readonly #parts: ReconciliationParts;

  constructor(parts: ReconciliationParts) {
    this.#parts = parts;
  }

  /** One pass over everything. Rejects when topology or the store cannot be reached; then a later pass goes on. */
  async run(signal: AbortSignal): Promise<void> {
    await inSpan('l2pop.reconcile', { parent: 'root' }, async (span) => {
      const cause = { name: 'Reconcile', time: Date.now(), trace: carrier() };
      const listing = await this.#list(cause, signal);
      span.setAttribute('weft.ports', listing.ports.size);
      let after: Uuid | undefined;
      do {
        const ids = await this.#parts.index.list(after, PAGE, signal);
        for (const id of ids) await this.#checkTable(id, listing, cause, signal);
        after = ids.length < PAGE ? undefined : ids.at(-1);
      } while (after !== undefined);
    });
  }

  /** Brings in what topology has. */
  async #list(cause: Cause, signal: AbortSignal): Promise<Listing> {
    const { topology, placer, index, tables } = this.#parts;
    for await (const hosts of topology.hosts(signal)) for (const host of hosts) placer.hosts.learn(host);
    const networks = new Set<Uuid>();
    for await (const page of topology.networks(signal)) {
      for (const network of page) {
        placer.networks.learn(network);
        networks.add(network.id);
      }
      await index.add(
        page.filter(({ overlay }) => overlay),
        signal,
      );
    }
    const ports = new Map<Uuid, Uuid>();
    for await (const page of topology.ports(undefined, signal)) {
      for (const { id, networkId } of page) ports.set(id, networkId);
      await Promise.all(
        [...placer.placeListed(page)].map(([networkId, operations]) => tables.submit(networkId, operations, cause)),
      );
    }
    return { networks, ports };
  }

  /** Takes out what topology does not have. */
  async #checkTable(networkId: Uuid, listing: Listing, cause: Cause, signal: AbortSignal): Promise<void> {
    const { audit, placer, tables, index, types, topology, log } = this.#parts;
    if (await audit.mend(networkId, signal)) log.warn({ network: networkId }, 'a table had lost a part and was mended');
    if (placer.networks.isOverlay(networkId) === false) {
      await types.empty(networkId, signal);
      await index.retire(networkId, 0, signal);
      return;
    }
    const surplus = (await audit.entries(networkId, signal)).filter(
      ({ portId }) => listing.ports.get(portId) !== networkId,
    );
    const operations = await Promise.all(surplus.map((entry) => this.#ask(networkId, entry, signal)));
    if (operations.length > 0) {
      await tables.submit(networkId, operations, cause);
      reconciled.add(operations.length, { kind: 'surplus' });
      log.warn({ network: networkId, ports: operations.length }, 'ports that topology does not list were in a table');
    }
    if (listing.networks.has(networkId) || (await topology.network(networkId, signal)) !== undefined) return;
    await index.retire(networkId, 0, signal);
    placer.networks.forget(networkId);
  }

  async #ask(networkId: Uuid, entry: AuditedEntry, signal: AbortSignal): Promise<TableOperation> {
    const port = await this.#parts.topology.port(entry.portId, signal);
    if (port?.networkId !== networkId) return { kind: 'expel', ...entry };
    return await this.#parts.placer.place(port, {}, signal);
  }
}

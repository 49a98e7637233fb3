import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { Uuid } from '#platform/net/names.ts';
import { carrier, inSpan } from '#platform/telemetry/spans.ts';
import type { NetworkDirectory } from './network-directory.ts';
import type { TableAudit, Topology } from './ports.ts';
import type { TableQueues } from './table-queues.ts';

/** Finds out about networks that ports named before the network itself was heard of. */
export class NetworkTypes {
  readonly #directory: NetworkDirectory;
  readonly #topology: Topology;
  readonly #audit: TableAudit;
  readonly #tables: TableQueues;
  readonly #log: Log;
  readonly #halt = new AbortController();
  readonly #looking = new Map<Uuid, Promise<void>>();

  constructor(
    known: { readonly directory: NetworkDirectory; readonly topology: Topology },
    audit: TableAudit,
    tables: TableQueues,
    log: Log,
  ) {
    this.#directory = known.directory;
    this.#topology = known.topology;
    this.#audit = audit;
    this.#tables = tables;
    this.#log = log;
  }

  /** Asks topology in the background, once at a time; empties the table of a network that turns out to need none. */
  look(networkId: Uuid): void {
    if (this.#looking.has(networkId) || this.#halt.signal.aborted) return;
    const looking = this.#look(networkId).finally(() => this.#looking.delete(networkId));
    this.#looking.set(networkId, looking);
  }

  /** Takes all entries out of a network's table. */
  async empty(networkId: Uuid, signal: AbortSignal): Promise<void> {
    const entries = await this.#audit.entries(networkId, signal);
    const cause = { name: 'NetworkIsNoOverlay', time: Date.now(), trace: carrier() };
    const operations = entries.map((entry) => ({ kind: 'expel', ...entry }) as const);
    await this.#tables.submit(networkId, operations, cause);
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the service is stopping'));
    await Promise.all(this.#looking.values());
  }

  /** Never rejects. */
  async #look(networkId: Uuid): Promise<void> {
    const { signal } = this.#halt;
    try {
      await inSpan('l2pop.look', { parent: 'root', attributes: { 'weft.network.id': networkId } }, async () => {
        const network = await this.#topology.network(networkId, signal);
        if (network === undefined) return;
        this.#directory.learn(network);
        if (!network.overlay) await this.empty(networkId, signal);
      });
    } catch (error) {
      // The next port's event asks again, and so does reconciliation.
      if (!signal.aborted)
        this.#log.warn({ err: toError(error), network: networkId }, 'the type of a network is not known yet');
    }
  }
}

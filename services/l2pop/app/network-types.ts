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
  readonly #looking = new Map<Uuid, Looking>();

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
    const before = this.#looking.get(networkId);
    if (before !== undefined) {
      // It may have emptied the table before what is in it now.
      before.again = true;
      return;
    }
    if (this.#halt.signal.aborted) return;
    const looking = { again: true, done: Promise.resolve() };
    this.#looking.set(networkId, looking);
    looking.done = this.#look(networkId, looking);
  }

  /** Takes all entries out of a network's table. */
  async empty(networkId: Uuid, signal: AbortSignal): Promise<void> {
    const entries = await this.#audit.entries(networkId, signal);
    const cause = { name: 'NetworkIsNoOverlay', time: Date.now(), trace: carrier() };
    const operations = entries.map((entry) => ({ kind: 'expel', ...entry }) as const);
    await this.#tables.submit(networkId, operations, cause);
  }

  /** Resolves once what is being asked is known. */
  async idle(): Promise<void> {
    await Promise.all([...this.#looking.values()].map(({ done }) => done));
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the service is stopping'));
    await this.idle();
  }

  /** Never rejects. */
  async #look(networkId: Uuid, looking: Looking): Promise<void> {
    while (looking.again && !this.#halt.signal.aborted) {
      looking.again = false;
      try {
        const options = { parent: 'root', attributes: { 'weft.network.id': networkId } } as const;
        await inSpan('l2pop.look', options, () => this.#settle(networkId, this.#halt.signal));
      } catch (error) {
        // The next port's event asks again, and so does reconciliation.
        if (!this.#halt.signal.aborted)
          this.#log.warn({ err: toError(error), network: networkId }, 'the type of a network is not known yet');
      }
    }
    // In the turn in which `again` was looked at.
    this.#looking.delete(networkId);
  }

  async #settle(networkId: Uuid, signal: AbortSignal): Promise<void> {
    if (this.#directory.isOverlay(networkId) === undefined) {
      const network = await this.#topology.network(networkId, signal);
      if (network !== undefined) this.#directory.learn(network);
    }
    if (this.#directory.isOverlay(networkId) === false) await this.empty(networkId, signal);
  }
}

interface Looking {
  /** Asked for since the look under way began. */
  again: boolean;
  done: Promise<void>;
}

import { aborted } from '#platform/async/aborted.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import { carrier, inSpan } from '#platform/telemetry/spans.ts';
import type { Applied, OperationBatch, TableOperation } from '../domain/table.ts';
import { batches } from './metrics.ts';
import type { Cause, DeltaPublisher, TableWriter } from './ports.ts';

/** Hears of what a batch did before anybody else does, and knows which hosts a network has. */
export interface MadeListener {
  /** The members version it knows of a network; 0: none. */
  knownMembers(networkId: Uuid): number;
  made(networkId: Uuid, applied: Applied): void;
}

/** Operations in one script: bounds how long Redis is held up and how large a message gets. */
const MAX_OPERATIONS = 256;
/** Links on one span. */
const MAX_LINKS = 32;

interface Waiting {
  readonly operations: readonly TableOperation[];
  readonly cause: Cause;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Brings changes into tables and tells the hosts. One batch at a time per network: what comes meanwhile goes together as
 * the next one, with one revision and one message. So a lone change never waits for company, and a crowd of them costs
 * few round trips. Networks do not wait for each other.
 */
export class TableQueues {
  readonly #writer: TableWriter;
  readonly #publisher: DeltaPublisher;
  readonly #listener: MadeListener;
  readonly #halt = new AbortController();
  /** Of networks with work under way. */
  readonly #queues = new Map<Uuid, Waiting[]>();
  readonly #running = new Set<Promise<void>>();

  constructor(writer: TableWriter, publisher: DeltaPublisher, listener: MadeListener) {
    this.#writer = writer;
    this.#publisher = publisher;
    this.#listener = listener;
  }

  /**
   * Resolves once the operations are in the table and their outcome is published; does so as well when they changed
   * nothing. Rejects with DomainError `unavailable` when either could not be done: give them again, as redelivered.
   */
  async submit(networkId: Uuid, operations: readonly TableOperation[], cause: Cause): Promise<void> {
    const chunks: Promise<void>[] = [];
    for (let at = 0; at < operations.length; at += MAX_OPERATIONS) {
      chunks.push(this.#enqueue(networkId, operations.slice(at, at + MAX_OPERATIONS), cause));
    }
    await Promise.all(chunks);
  }

  /** Takes nothing more and waits for what runs until `signal` aborts. */
  async close(signal: AbortSignal): Promise<void> {
    for (const waiting of this.#queues.values()) {
      for (const { done } of waiting.splice(0)) done.reject(closed());
    }
    using abort = aborted(signal);
    await Promise.race([Promise.all(this.#running), abort.promise]).catch(() => undefined);
    this.#halt.abort(closed());
  }

  #enqueue(networkId: Uuid, operations: readonly TableOperation[], cause: Cause): Promise<void> {
    if (this.#halt.signal.aborted) return Promise.reject(closed());
    const waiting = { operations, cause, done: Promise.withResolvers<void>() };
    const queue = this.#queues.get(networkId);
    if (queue !== undefined) queue.push(waiting);
    else {
      const started = [waiting];
      this.#queues.set(networkId, started);
      const running = this.#drain(networkId, started);
      this.#running.add(running);
      void running.finally(() => this.#running.delete(running));
    }
    return waiting.done.promise;
  }

  /** Never rejects. */
  async #drain(networkId: Uuid, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      const batch = taken(queue);
      try {
        await this.#flush(networkId, batch);
        for (const { done } of batch) done.resolve();
      } catch (error) {
        batches.add(1, { outcome: 'failed' });
        for (const { done } of batch) done.reject(error);
      }
    }
    this.#queues.delete(networkId);
  }

  async #flush(networkId: Uuid, waiting: readonly Waiting[]): Promise<void> {
    const [first, ...others] = waiting;
    if (first === undefined) return;
    const batch = batchOf(waiting, first.cause);
    const options = {
      parent: first.cause.trace,
      links: others.slice(0, MAX_LINKS).map(({ cause }) => cause.trace),
      attributes: {
        'weft.network.id': networkId,
        'weft.port.id': portOf(batch),
        'weft.operations': batch.operations.length,
      },
    };
    await inSpan('l2pop.apply', options, async (span) => {
      const known = this.#listener.knownMembers(networkId);
      const applied = await this.#writer.apply(networkId, batch, known, this.#halt.signal);
      span.setAttribute('weft.revision', applied.revision);
      span.setAttribute('weft.changes', applied.made?.changes.length ?? 0);
      batches.add(1, { outcome: applied.made === undefined ? 'nothing' : 'made' });
      this.#listener.made(networkId, applied);
      this.#publish(networkId, applied);
    });
  }

  #publish(networkId: Uuid, { made, repeated }: Applied): void {
    for (const revision of [...repeated, ...(made === undefined ? [] : [made])]) {
      const attributes = { 'weft.network.id': networkId, 'weft.revision': revision.revision };
      inSpan('publish weft.forwarding', { kind: 'producer', attributes }, () => {
        this.#publisher.publish(networkId, revision, carrier());
      });
    }
  }
}

/** As many as fit in one batch, at least one. */
const taken = (queue: Waiting[]): readonly Waiting[] => {
  let operations = 0;
  const past = queue.findIndex((waiting) => (operations += waiting.operations.length) > MAX_OPERATIONS);
  return queue.splice(0, past === -1 ? queue.length : Math.max(past, 1));
};

const batchOf = (waiting: readonly Waiting[], { name }: Cause): OperationBatch => ({
  operations: waiting.flatMap(({ operations }) => operations),
  cause: name,
  time: Math.min(...waiting.map(({ cause }) => cause.time)),
});

const portOf = ({ operations: [first] }: OperationBatch): string =>
  first === undefined ? '' : first.kind === 'set' ? first.entry.portId : first.portId;

const closed = (): DomainError => new DomainError('unavailable', 'STOPPING', 'the service is stopping');

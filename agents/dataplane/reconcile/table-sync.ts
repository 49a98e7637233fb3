import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { carrier, inSpan } from '#platform/telemetry/spans.ts';
import type { NetworkTable } from '../intake/network-table.ts';
import type { ForwardingEntry } from '../model/intent.ts';
import type { Missing } from './delta-intake.ts';
import { resyncs } from './metrics.ts';
import type { WorkerInput } from './worker-input.ts';
import type { WorkerTools } from './worker-ports.ts';

/** A snapshot that takes most of a table away is asked for again after this. */
const GUARD_PAUSE_MS = 1_000;
const RETRY = { baseMs: 200, maxMs: 10_000 };

/** Brings one network's table what the bus did not: one pull at a time, until nothing is missing. */
export class TableSync {
  readonly #table: NetworkTable;
  readonly #tools: WorkerTools;
  readonly #deliver: (input: WorkerInput) => Promise<void>;
  readonly #part: (input: WorkerInput) => void;
  readonly #signal: AbortSignal;
  #missing: { readonly what: Missing; readonly cause: string } | undefined;
  #running: Promise<void> | undefined;

  /** What is pulled goes to `worker`; `signal` ends it all. */
  constructor(
    table: NetworkTable,
    tools: WorkerTools,
    worker: { push(input: WorkerInput): void; pushAndWait(input: WorkerInput): Promise<void> },
    signal: AbortSignal,
  ) {
    this.#table = table;
    this.#tools = tools;
    this.#deliver = async (input) => worker.pushAndWait(input);
    this.#part = (input) => {
      worker.push(input);
    };
    this.#signal = signal;
  }

  /** Resolves when nothing is missing any more, or at the end. Tries again by itself. */
  async need(what: Missing, cause: string): Promise<void> {
    const snapshot = what === 'snapshot' || this.#missing?.what === 'snapshot';
    this.#missing = { what: snapshot ? 'snapshot' : 'changes', cause };
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** Resolves when no pull is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let attempt = 0; this.#missing !== undefined && !this.#signal.aborted;) {
      const { what, cause } = this.#missing;
      this.#missing = undefined;
      resyncs.add(1, { cause });
      try {
        if (cause === 'guard') await sleep(GUARD_PAUSE_MS, this.#signal);
        await this.#pull(what, cause);
        attempt = 0;
      } catch (thrown) {
        if (this.#signal.aborted) return;
        this.#missing ??= { what, cause };
        const error = toError(thrown).message;
        this.#tools.log.warn({ network: this.#table.networkId, cause, error }, 'table not pulled');
        await sleep(backoffMs(attempt, RETRY, Math.random), this.#signal).catch(() => undefined);
        attempt += 1;
      }
    }
  }

  async #pull(what: Missing, cause: string): Promise<void> {
    const { source, host, feed } = this.#tools;
    const { networkId } = this.#table;
    const signal = this.#signal;
    const attributes = { 'weft.host.id': host.hostId, 'weft.network.id': networkId, 'weft.cause': cause };
    await inSpan('agent.pull', { parent: 'root', attributes }, async () => {
      // What is published while the answer is on its way must arrive, or a hole would go unseen.
      await feed.flush(signal);
      if (what === 'changes' && this.#table.revision > 0n) {
        try {
          const changes = await source.changesSince(networkId, this.#table.revision, signal);
          await this.#deliver({ kind: 'changes', changes, cause: carrier() });
          return;
        } catch (thrown) {
          if (!(thrown instanceof DomainError && thrown.code === 'out_of_range')) throw thrown;
        }
      }
      // A first table is written as it comes; one that is held already is compared when the new one is whole.
      const onPart =
        this.#table.revision > 0n
          ? undefined
          : (entries: readonly ForwardingEntry[]): void => {
              this.#part({ kind: 'part', entries, cause: carrier() });
            };
      const snapshot = await source.snapshot(networkId, signal, onPart);
      await this.#deliver({ kind: 'snapshot', snapshot, cause: carrier() });
    });
  }
}

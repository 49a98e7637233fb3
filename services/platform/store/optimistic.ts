import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { BufferedTransaction, decodeRecord, recordName } from './buffered-transaction.ts';
import type { LostRace, StoreBackend } from './changes.ts';
import type { CommittedEvents } from './committed-events.ts';
import { HotKeys } from './hot-keys.ts';
import type { Collection, Page, Store, Transaction, Version, Versioned } from './store.ts';

/** Runs of one work before it is given up. */
const ATTEMPTS = 20;
const BACKOFF = { baseMs: 1, maxMs: 50 } as const;

/** Transactions without locks over any backend: read, buffer, commit if nothing changed meanwhile, else once more. */
export class OptimisticStore implements Store {
  readonly #backend: StoreBackend;
  readonly #committed: CommittedEvents;
  readonly #hot = new HotKeys();

  constructor(backend: StoreBackend, committed: CommittedEvents) {
    this.#backend = backend;
    this.#committed = committed;
  }

  async transact<R>(work: (tx: Transaction) => Promise<R>, signal: AbortSignal): Promise<R> {
    const learnt = new Map<string, Version>();
    let lost: readonly LostRace[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      signal.throwIfAborted();
      // One turn at most, so that two transactions never wait for each other.
      using turns = new DisposableStack();
      let has = false;
      const takeTurn = async (name: string): Promise<void> => {
        has = true;
        turns.use(await this.#hot.turn(name, signal));
      };
      const fought = lost[0];
      if (fought !== undefined) await takeTurn(recordName(fought));
      const beforeRead = (names: readonly string[]): Promise<void> | undefined => {
        const busy = has ? undefined : names.find((name) => this.#hot.isHot(name));
        return busy === undefined ? undefined : takeTurn(busy);
      };
      const tx = new BufferedTransaction(this.#backend, learnt, beforeRead, signal);
      const result = await work(tx);
      const changes = tx.changes();
      if (changes === undefined) return result;
      const outcome = await this.#backend.commit(changes, signal);
      if (outcome.committed) {
        this.#committed.announce(outcome.events);
        return result;
      }
      const before = new Set(lost.map(recordName));
      lost = outcome.lost;
      const exists = lost.find((race) => race.alive && tx.isUnread(race) && before.has(recordName(race)));
      // Lost twice to a record the work insists on making: no number of runs will help.
      if (exists !== undefined) break;
      for (const race of lost) if (!race.alive) learnt.set(recordName(race), race.version);
      // The first loss is answered by a turn; who still loses has rivals in other processes.
      if (attempt > 0) await sleep(backoffMs(attempt - 1, BACKOFF, Math.random), signal);
    }
    throw contention(lost);
  }

  async get<T>(from: Collection<T>, id: string, signal: AbortSignal): Promise<Versioned<T> | undefined> {
    const [raw] = await this.#backend.read([{ collection: from.name, id }], signal);
    return raw === undefined ? undefined : decodeRecord(from, id, raw);
  }

  async list<T>(
    from: Collection<T>,
    options: { readonly index?: string; readonly after?: string; readonly limit: number },
    signal: AbortSignal,
  ): Promise<Page<T>> {
    const { index, after, limit } = options;
    const found = await this.#backend.ids(from.name, index, after, limit + 1, signal);
    const ids = found.slice(0, limit);
    const raws = await this.#backend.read(
      ids.map((id) => ({ collection: from.name, id })),
      signal,
    );
    const items = ids.flatMap((id, at) => {
      const raw = raws[at];
      const record = raw === undefined ? undefined : decodeRecord(from, id, raw);
      // It may have gone, or left the index, since the ids were read.
      const stands = record !== undefined && (index === undefined || from.indexes?.(record.value).includes(index));
      return stands ? [record] : [];
    });
    const next = found.length > limit ? ids.at(-1) : undefined;
    return next === undefined ? { items } : { items, next };
  }
}

const contention = (lost: readonly LostRace[]): DomainError => {
  const names = lost.map(recordName).join(', ');
  return new DomainError(
    'conflict',
    'STORE_CONTENTION',
    `${names}: changed by others each time the work was done, or made without a look while it exists`,
    { details: { records: names } },
  );
};

import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { TableRevision } from '../domain/table.ts';
import { resyncs } from './metrics.ts';
import type { DeltaFeed, TableReader } from './ports.ts';
import { WakeUp } from './wake-up.ts';

/** Revisions read at once. */
const PAGE = 100;
/** Revisions heard of while the client is busy; beyond, they are read from the store. */
const MAX_HEARD = 1_000;
/** How often to look although nothing was heard. */
const LOOK_MS = 5_000;

/** What happened since a revision, as far as it is kept. */
export interface ChangesPage {
  readonly changes: readonly TableRevision[];
  /** The table's revision. */
  readonly revision: number;
}

/** The changes of a network's table. */
export class TableChanges {
  readonly #reader: TableReader;
  readonly #feed: DeltaFeed;

  constructor(reader: TableReader, feed: DeltaFeed) {
    this.#reader = reader;
    this.#feed = feed;
  }

  /** A page of the changes since `held`. Throws `out_of_range` CHANGES_EXPIRED when they are no longer kept. */
  async since(networkId: Uuid, held: number, limit: number, signal: AbortSignal): Promise<ChangesPage> {
    const since = await this.#reader.changesSince(networkId, held, limit, signal);
    if (!since.expired) return since;
    resyncs.add(1, { cause: 'expired' });
    throw new DomainError(
      'out_of_range',
      'CHANGES_EXPIRED',
      `network ${networkId} is at revision ${since.revision.toString()}; ` +
        `what came after ${held.toString()} is not kept: take the snapshot`,
      { details: { network: networkId, revision: since.revision.toString() } },
    );
  }

  /** Every revision after `held`, in order and without holes, as it happens. Throws as `since`, also later on. */
  async *watch(networkId: Uuid, held: number, signal: AbortSignal): AsyncGenerator<TableRevision, never> {
    const wakeUp = new WakeUp();
    let heard: TableRevision[] = [];
    await using _following = await this.#feed.follow(
      networkId,
      (revision) => {
        if (revision !== undefined && heard.length < MAX_HEARD) heard.push(revision);
        wakeUp.ring();
      },
      signal,
    );
    for (;;) {
      // What was heard goes on without a hole most of the time; otherwise the store has it.
      for (const revision of heard.splice(0)) {
        if (revision.revision !== held + 1) continue;
        yield revision;
        held = revision.revision;
      }
      const page = await this.since(networkId, held, PAGE, signal);
      for (const revision of page.changes) {
        yield revision;
        held = revision.revision;
      }
      if (held < page.revision) continue;
      await wakeUp.next(LOOK_MS, signal);
      heard = heard.filter(({ revision }) => revision > held);
    }
  }
}

import type { TableChange, TableSnapshot } from '../model/control-plane.ts';
import type { EntryChange } from '../model/intent.ts';
import type { NetworkTable } from '../intake/network-table.ts';
import { deltasDropped } from './metrics.ts';

/** What must be fetched before the table can be right again. */
export type Missing = 'changes' | 'snapshot';

/** A table smaller than this may be emptied by one message. */
const GUARD_MIN = 20;
/** More deltas ahead of a hole than this are dropped: the pull brings them anyway. */
const MAX_FUTURE = 1_000;

/** The second pull after a delta began after it: what that does not lead up to, l2pop never had. */
const ENOUGH_PULLS = 2;

const removesMost = (removals: number, size: number): boolean => removals > Math.max(GUARD_MIN, size / 2);

/**
 * Decides what of l2pop's messages enters the table: old and doubled ones are dropped, ones beyond a hole wait for a pull,
 * and no single message takes most of a table away before a second one has said the same.
 */
export class DeltaIntake {
  readonly #table: NetworkTable;
  readonly #onChange: (change: EntryChange) => void;
  #future: { readonly delta: TableChange; readonly pulls: number }[] = [];
  #distrusted: bigint | undefined;

  constructor(table: NetworkTable, onChange: (change: EntryChange) => void) {
    this.#table = table;
    this.#onChange = onChange;
  }

  /** Takes one message from the bus; says what must be pulled, if anything. */
  delta(delta: TableChange): Missing | undefined {
    return this.#take(delta, 0);
  }

  #take(delta: TableChange, pulls: number): Missing | undefined {
    if (delta.revision <= this.#table.revision) {
      deltasDropped.add(1, { reason: 'old' });
      return undefined;
    }
    if (delta.baseRevision > this.#table.revision || this.#table.revision === 0n) {
      if (pulls === ENOUGH_PULLS) {
        deltasDropped.add(1, { reason: 'beyond' });
        return undefined;
      }
      if (this.#future.length < MAX_FUTURE) this.#future.push({ delta, pulls });
      return this.#table.revision === 0n ? 'snapshot' : 'changes';
    }
    return this.#apply(delta);
  }

  /** Takes pulled changes, oldest first. */
  changes(changes: readonly TableChange[]): Missing | undefined {
    for (const change of changes) {
      if (change.revision <= this.#table.revision) continue;
      const missing = this.#apply(change);
      if (missing !== undefined) return missing;
    }
    return this.#catchUp();
  }

  /** Takes a complete snapshot. A smaller revision than held means that l2pop began anew: the snapshot still wins. */
  snapshot({ entries, revision }: TableSnapshot): Missing | undefined {
    const removals = this.#table.countMissing(entries);
    if (removesMost(removals, this.#table.entries.size) && this.#distrusted !== revision) {
      this.#distrusted = revision;
      deltasDropped.add(1, { reason: 'guard' });
      return 'snapshot';
    }
    this.#distrusted = undefined;
    const before = new Map(this.#table.entries);
    this.#table.replaceEntries(entries, revision);
    for (const entry of entries) {
      before.delete(entry.portId);
      this.#onChange({ kind: 'set', entry });
    }
    for (const entry of before.values()) this.#onChange({ kind: 'removed', entry });
    return this.#catchUp();
  }

  #catchUp(): Missing | undefined {
    const waiting = this.#future.sort((a, b) => (a.delta.revision < b.delta.revision ? -1 : 1));
    this.#future = [];
    let missing: Missing | undefined;
    for (const { delta, pulls } of waiting) missing = this.#take(delta, pulls + 1) ?? missing;
    return missing;
  }

  #apply(change: TableChange): Missing | undefined {
    const removals = change.changes.filter(({ kind }) => kind === 'removed').length;
    if (removesMost(removals, this.#table.entries.size)) {
      deltasDropped.add(1, { reason: 'guard' });
      return 'snapshot';
    }
    this.#table.applyChanges(change.changes, change.revision);
    for (const each of change.changes) this.#onChange(each);
    return undefined;
  }
}

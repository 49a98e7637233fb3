import { withRequestId } from '#platform/store/idempotency.ts';
import type { Collection, Store, Transaction } from '#platform/store/store.ts';
import { guardId } from '../app/lease-book.ts';
import type {
  LeaseBook,
  LeaseFamily,
  LeaseOutcome,
  LeasePage,
  LeaseRelease,
  LeaseRequest,
  ListedLease,
} from '../app/lease-book.ts';
import { meetingOrder } from '../domain/leasing.ts';
import type { KeyRange, Lease, LeaseFilter, Space, Want } from '../domain/leasing.ts';
import type { LeaseKey } from '../domain/lease-key.ts';

/** How a space's ranges have been given out. */
interface Pool {
  readonly layout: string;
  /** Keys in range that were given at some time and are free now, the longest free first. */
  readonly released: readonly LeaseKey[];
  /** Keys in range that were passed by: given, or found held when their turn came. */
  readonly passed: readonly LeaseKey[];
}

interface Book {
  readonly leases: readonly Lease[];
  readonly pools: Readonly<Record<string, Pool>>;
}

const raw = (name: string): Collection<string> => ({ name, decode: (text) => text, encode: (text) => text });

/**
 * The lease book as it is meant, without any cunning: a list of leases in one record of a store, searched from end to end.
 * For ranges of a few thousand keys.
 */
export class MemoryLeaseBook implements LeaseBook {
  readonly family: LeaseFamily;
  readonly #store: Store;
  readonly #books: Collection<Book>;

  constructor(store: Store, family: LeaseFamily) {
    this.#store = store;
    this.family = family;
    this.#books = {
      name: `book-${family}`,
      decode: (text) => JSON.parse(text) as Book,
      encode: (book) => JSON.stringify(book),
    };
  }

  async allocate(asked: LeaseRequest, signal: AbortSignal): Promise<LeaseOutcome> {
    return await this.#store.transact(async (tx) => {
      // Only what was given is remembered: anything else leaves by this.
      let failure: LeaseOutcome | undefined;
      const refused = new Error('refused');
      try {
        const request = asked.dryRun ? { ...asked.request, requestId: '' } : asked.request;
        const answer = await withRequestId(tx, request, async () => {
          const outcome = await this.#allocate(tx, asked);
          if (outcome.kind === 'held') return JSON.stringify(outcome);
          failure = outcome;
          throw refused;
        });
        return JSON.parse(answer) as LeaseOutcome;
      } catch (error) {
        if (error === refused && failure !== undefined) return failure;
        throw error;
      }
    }, signal);
  }

  async release(asked: LeaseRelease, signal: AbortSignal): Promise<readonly Lease[]> {
    return await this.#store.transact(async (tx) => {
      const request = asked.dryRun ? { ...asked.request, requestId: '' } : asked.request;
      const answer = await withRequestId(tx, request, async () => JSON.stringify(await this.#release(tx, asked)));
      return JSON.parse(answer) as readonly Lease[];
    }, signal);
  }

  async leasesOf(space: string, page: LeasePage, signal: AbortSignal): Promise<readonly ListedLease[]> {
    return pageOf(await this.#sorted(signal), (lease) => lease.space === space, page);
  }

  async leasesBy(holder: string, page: LeasePage, signal: AbortSignal): Promise<readonly ListedLease[]> {
    return pageOf(await this.#sorted(signal), (lease) => lease.holder === holder, page);
  }

  async count(space: string, range: KeyRange | undefined, signal: AbortSignal): Promise<number> {
    const leases = await this.#sorted(signal);
    return leases.filter((lease) => lease.space === space && (range === undefined || within(range, lease.key))).length;
  }

  async forget(space: string, signal: AbortSignal): Promise<void> {
    await this.#store.transact(async (tx) => {
      const stored = await tx.get(this.#books, 'all');
      if (stored === undefined || stored.value.leases.some((lease) => lease.space === space)) return;
      const pools = Object.fromEntries(Object.entries(stored.value.pools).filter(([id]) => id !== space));
      tx.put(this.#books, 'all', { ...stored.value, pools }, stored.version);
    }, signal);
  }

  async #sorted(signal: AbortSignal): Promise<readonly Lease[]> {
    const book = await this.#store.get(this.#books, 'all', signal);
    return [...(book?.value.leases ?? [])].sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  }

  async #allocate(tx: Transaction, asked: LeaseRequest): Promise<LeaseOutcome> {
    const { fence, holder, group, spaces, wants, single, now, dryRun } = asked;
    if (fence !== undefined) {
      const found = await tx.get(raw(fence.collection), fence.id);
      if ((found?.version ?? 0) !== fence.version) return { kind: 'stale' };
    }
    const stored = await tx.get(this.#books, 'all');
    let book: Book = stored?.value ?? { leases: [], pools: {} };
    const order = meetingOrder(wants).flatMap((at) => {
      const want = wants[at];
      return want === undefined ? [] : [{ at, want }];
    });
    const has = book.leases.filter((lease) => lease.holder === holder && lease.group === group);
    has.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
    const met = new Map<number, Lease>();
    for (const { at, want } of order) {
      const found = has.find((lease) => ![...met.values()].includes(lease) && fits(want, spaces, lease));
      if (found !== undefined) met.set(at, found);
    }
    const rest = has.filter((lease) => ![...met.values()].includes(lease));
    const [other] = rest;
    if (single && other !== undefined) return { kind: 'occupied', lease: other };
    const given: Lease[] = [];
    for (const { at, want } of order) {
      if (met.has(at)) continue;
      const found = find(book, want, spaces);
      if (found.key === undefined) return { kind: want.kind === 'next' ? 'full' : 'taken', want: at };
      const lease = { key: found.key, space: found.space, group, holder, createdMs: now };
      book = give(found.book, lease);
      given.push(lease);
      met.set(at, lease);
    }
    if (!dryRun) {
      tx.put(this.#books, 'all', book, stored?.version ?? 'absent');
      const guarded = fence === undefined ? [] : given.map((lease) => lease.space);
      for (const space of new Set(guarded)) await this.#bump(tx, space);
    }
    return { kind: 'held', leases: [...wants.keys()].flatMap((at) => met.get(at) ?? []).concat(rest) };
  }

  async #release(tx: Transaction, { holder, group, filters, dryRun }: LeaseRelease): Promise<readonly Lease[]> {
    const stored = await tx.get(this.#books, 'all');
    if (stored === undefined) return [];
    const book = stored.value;
    const gone = book.leases.filter(
      (lease) => lease.holder === holder && (group === undefined || lease.group === group) && named(filters, lease),
    );
    gone.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
    if (!dryRun) {
      const leases = book.leases.filter((lease) => !gone.includes(lease));
      let pools = book.pools;
      for (const { space, key } of gone) {
        const pool = pools[space];
        if (pool?.passed.includes(key) !== true) continue;
        pools = { ...pools, [space]: { ...pool, released: [...pool.released, key] } };
      }
      tx.put(this.#books, 'all', { leases, pools }, stored.version);
    }
    return gone;
  }

  async #bump(tx: Transaction, space: string): Promise<void> {
    const guards = raw('guard');
    const id = guardId(this.family, space);
    const guard = await tx.get(guards, id);
    tx.put(guards, id, '', guard?.version ?? 'absent');
  }
}

const fits = (want: Want, spaces: readonly Space[], { space, key }: Lease): boolean =>
  want.from.some((at) => spaces[at]?.id === space) && (want.kind !== 'chosen' || want.key === key);

const named = (filters: readonly LeaseFilter[], { space, key }: Lease): boolean =>
  filters.length === 0 ||
  filters.some(
    (filter) =>
      (filter.space === undefined || filter.space === space) && (filter.key === undefined || filter.key === key),
  );

interface Found {
  /** Undefined: none is free. */
  readonly key: LeaseKey | undefined;
  readonly space: string;
  /** With the pools as far as they were gone through. */
  readonly book: Book;
}

const find = (before: Book, want: Want, spaces: readonly Space[]): Found => {
  let book = before;
  for (const at of want.from) {
    const space = spaces[at];
    if (space === undefined) continue;
    const held = new Set(book.leases.filter((lease) => lease.space === space.id).map(({ key }) => key));
    const found =
      want.kind === 'next'
        ? nextOf(book, space, held)
        : {
            book,
            space: space.id,
            key: (want.kind === 'chosen' ? [want.key] : want.keys).find((key) => !held.has(key)),
          };
    if (found.key !== undefined) return found;
    book = found.book;
  }
  return { key: undefined, space: '', book };
};

const nextOf = (book: Book, space: Space, held: ReadonlySet<LeaseKey>): Found => {
  const layout = space.ranges.map(({ first, last }) => `${first}-${last}`).join(',');
  const known = book.pools[space.id];
  const pool = known?.layout === layout ? known : { layout, released: [], passed: [] };
  const passed = new Set(pool.passed);
  const ahead = space.ranges.flatMap(keysIn).filter((key) => !passed.has(key));
  const fresh = ahead.find((key) => !held.has(key));
  const going = fresh === undefined ? ahead : ahead.slice(0, ahead.indexOf(fresh) + 1);
  const pools = { ...book.pools, [space.id]: { ...pool, passed: [...pool.passed, ...going] } };
  return { key: fresh ?? pool.released[0], space: space.id, book: { ...book, pools } };
};

const give = (book: Book, lease: Lease): Book => {
  const pool = book.pools[lease.space];
  const leases = [...book.leases, lease];
  if (pool === undefined) return { ...book, leases };
  const released = pool.released.filter((key) => key !== lease.key);
  return { leases, pools: { ...book.pools, [lease.space]: { ...pool, released } } };
};

const keysIn = ({ first, last }: KeyRange): readonly LeaseKey[] => {
  const kind = first.slice(0, 1);
  const width = first.length - 1;
  const count = Number(BigInt(`0x${last.slice(1)}`) - BigInt(`0x${first.slice(1)}`)) + 1;
  const from = BigInt(`0x${first.slice(1)}`);
  return Array.from(
    { length: count },
    (_, at) => `${kind}${(from + BigInt(at)).toString(16).padStart(width, '0')}` as LeaseKey,
  );
};

const within = ({ first, last }: KeyRange, key: LeaseKey): boolean => first <= key && key <= last;

const placeOf = ({ key, space, holder, group }: Lease): string => `${key}/${space}/${group}/${holder}`;

const pageOf = (
  sorted: readonly Lease[],
  which: (lease: Lease) => boolean,
  { after, limit }: LeasePage,
): readonly ListedLease[] =>
  sorted
    .filter(which)
    .map((lease) => ({ lease, place: placeOf(lease) }))
    .filter(({ place }) => after === undefined || place > after)
    .slice(0, limit);

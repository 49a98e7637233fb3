import { randomUUID } from 'node:crypto';
import type { Clock } from '#platform/async/clock.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { ResourceName, Uuid } from '#platform/net/names.ts';
import { checkEtag } from '#platform/store/etag.ts';
import type { Page, Store, Versioned } from '#platform/store/store.ts';
import { checkRange, keysOf, spaceIdOf, withoutRange, withRange } from '../domain/segment.ts';
import type { SegmentKind, SegmentRange } from '../domain/segment.ts';
import { guardId } from './lease-book.ts';
import type { LeaseBook } from './lease-book.ts';
import { mutate, noAnswer, recordAnswer } from './mutation.ts';
import type { Mutation } from './mutation.ts';
import type { IpamRecords } from './records.ts';

export interface RangeCreation extends Mutation {
  /** Undefined: a random one. */
  readonly id: Uuid | undefined;
  readonly name: ResourceName;
  readonly kind: SegmentKind;
  readonly minimum: number;
  readonly maximum: number;
}

export interface RangeDeletion extends Mutation {
  readonly id: Uuid;
  readonly etag: string;
}

/** The ranges that segmentation ids come from. */
export class SegmentRangeCatalogue {
  readonly #store: Store;
  readonly #records: IpamRecords;
  readonly #book: Pick<LeaseBook, 'family' | 'count'>;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(
    store: Store,
    records: IpamRecords,
    book: Pick<LeaseBook, 'family' | 'count'>,
    clock: Pick<Clock, 'now'>,
  ) {
    this.#store = store;
    this.#records = records;
    this.#book = book;
    this.#clock = clock;
  }

  /** DomainError `invalid` for what breaks a rule or overlaps, `exists` SEGMENT_RANGE_EXISTS for an id that is taken. */
  async create(creation: RangeCreation, signal: AbortSignal): Promise<Versioned<SegmentRange>> {
    const { name, kind, minimum, maximum } = creation;
    checkRange(creation);
    const id = creation.id ?? (randomUUID() as Uuid);
    const { segmentRanges, segmentSpaces } = this.#records;
    const spaceId = spaceIdOf(kind);
    return await mutate(
      this.#store,
      creation,
      recordAnswer(segmentRanges),
      async (tx) => {
        const [space, existing] = [await tx.get(segmentSpaces, spaceId), await tx.get(segmentRanges, id)];
        if (existing !== undefined) throw rangeExists(id);
        const createTime = new Date(this.#clock.now()).toISOString();
        const range: SegmentRange = { id, name, kind, minimum, maximum, createTime };
        tx.put(segmentSpaces, spaceId, withRange(space?.value ?? { ranges: [] }, range), space?.version ?? 'absent');
        return { value: range, version: tx.put(segmentRanges, id, range, 'absent') };
      },
      signal,
    );
  }

  /** DomainError `not_found`. */
  async get(id: Uuid, signal: AbortSignal): Promise<Versioned<SegmentRange>> {
    const range = await this.#store.get(this.#records.segmentRanges, id, signal);
    if (range === undefined) throw rangeNotFound(id);
    return range;
  }

  /** In id order. */
  async list(
    { after, limit }: { readonly after: string | undefined; readonly limit: number },
    signal: AbortSignal,
  ): Promise<Page<SegmentRange>> {
    const options = { limit, ...(after === undefined ? {} : { after }) };
    return await this.#store.list(this.#records.segmentRanges, options, signal);
  }

  /** DomainError `not_found`, `conflict` ETAG_MISMATCH, `precondition` SEGMENT_RANGE_IN_USE while ids of it are held. */
  async delete(deletion: RangeDeletion, signal: AbortSignal): Promise<void> {
    const { id, etag } = deletion;
    const { segmentRanges, segmentSpaces, guards } = this.#records;
    await mutate(
      this.#store,
      deletion,
      noAnswer,
      async (tx) => {
        const range = await tx.get(segmentRanges, id);
        if (range === undefined) throw rangeNotFound(id);
        checkEtag(etag, range.version);
        const spaceId = spaceIdOf(range.value.kind);
        // First the guard, then the count: a lease that the count has missed will have changed the guard.
        await tx.get(guards, guardId(this.#book.family, spaceId));
        const held = await this.#book.count(spaceId, keysOf(range.value), signal);
        if (held > 0) throw rangeInUse(id, held);
        const space = await tx.get(segmentSpaces, spaceId);
        if (space !== undefined) tx.put(segmentSpaces, spaceId, withoutRange(space.value, id), space.version);
        tx.delete(segmentRanges, id, range.version);
      },
      signal,
    );
  }
}

const rangeNotFound = (id: Uuid): DomainError =>
  new DomainError('not_found', 'SEGMENT_RANGE_NOT_FOUND', `segment range ${id} does not exist`, {
    details: { segment_range: id },
  });

const rangeExists = (id: Uuid): DomainError =>
  new DomainError('exists', 'SEGMENT_RANGE_EXISTS', `segment range ${id} exists already`, {
    details: { segment_range: id },
  });

const rangeInUse = (id: Uuid, held: number): DomainError =>
  new DomainError('precondition', 'SEGMENT_RANGE_IN_USE', `${held.toString()} ids of segment range ${id} are held`, {
    details: { segment_range: id, held: held.toString() },
  });

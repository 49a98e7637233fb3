import type { Clock } from '#platform/async/clock.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Store } from '#platform/store/store.ts';
import { keySegment, segmentKey } from '../domain/lease-key.ts';
import type { Want } from '../domain/leasing.ts';
import type { OwnerId } from '../domain/owner.ts';
import { checkSegmentId, segmentSpace, spaceIdOf } from '../domain/segment.ts';
import type { SegmentKind } from '../domain/segment.ts';
import type { LeaseBook, LeaseOutcome } from './lease-book.ts';
import type { Mutation } from './mutation.ts';
import type { IpamRecords } from './records.ts';

export interface SegmentAllocation extends Mutation {
  readonly kind: SegmentKind;
  readonly owner: OwnerId;
  /** Undefined: the next free one of the ranges. */
  readonly segmentationId: number | undefined;
}

export interface SegmentRelease extends Mutation {
  readonly owner: OwnerId;
}

/** More changes of the ranges than can come between reading them and leasing. */
const ATTEMPTS = 20;

/** Gives owners segmentation ids, one each. */
export class Segments {
  readonly #store: Store;
  readonly #records: IpamRecords;
  readonly #book: LeaseBook;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(store: Store, records: IpamRecords, book: LeaseBook, clock: Pick<Clock, 'now'>) {
    this.#store = store;
    this.#records = records;
    this.#book = book;
    this.#clock = clock;
  }

  /**
   * The owner's id. DomainError `invalid`, `exists` SEGMENT_IN_USE, `exhausted` NO_FREE_SEGMENT, `precondition`
   * OTHER_SEGMENT_HELD for an owner that has another.
   */
  async allocate(allocation: SegmentAllocation, signal: AbortSignal): Promise<number> {
    const { kind, segmentationId } = allocation;
    if (segmentationId !== undefined) checkSegmentId('segmentation_id', kind, segmentationId);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const outcome = await this.#ask(allocation, signal);
      switch (outcome.kind) {
        case 'held': {
          const [lease] = outcome.leases;
          if (lease !== undefined) return keySegment(lease.key);
          break;
        }
        case 'occupied':
          throw otherHeld(allocation.owner, outcome.lease.space, keySegment(outcome.lease.key));
        case 'taken':
          throw segmentInUse(kind, segmentationId ?? 0);
        case 'full':
          throw noFreeSegment(kind);
        case 'stale':
          break;
      }
    }
    throw new DomainError('conflict', 'SEGMENT_CONTENTION', `the ranges of ${spaceIdOf(kind)} keep changing`);
  }

  /** No error when the owner has none. */
  async release({ owner, request, validateOnly }: SegmentRelease, signal: AbortSignal): Promise<void> {
    await this.#book.release({ holder: owner, group: undefined, filters: [], request, dryRun: validateOnly }, signal);
  }

  async #ask(allocation: SegmentAllocation, signal: AbortSignal): Promise<LeaseOutcome> {
    const { kind, owner, segmentationId, request, validateOnly } = allocation;
    const { segmentSpaces } = this.#records;
    const id = spaceIdOf(kind);
    const ranges = await this.#store.get(segmentSpaces, id, signal);
    const want: Want =
      segmentationId === undefined
        ? { kind: 'next', from: [0] }
        : { kind: 'chosen', from: [0], key: segmentKey(segmentationId) };
    return await this.#book.allocate(
      {
        holder: owner,
        group: '',
        spaces: [segmentSpace(kind, ranges?.value ?? { ranges: [] })],
        wants: [want],
        single: true,
        fence: { collection: segmentSpaces.name, id, version: ranges?.version ?? 0 },
        now: this.#clock.now(),
        request,
        dryRun: validateOnly,
      },
      signal,
    );
  }
}

const segmentInUse = (kind: SegmentKind, id: number): DomainError =>
  new DomainError('exists', 'SEGMENT_IN_USE', `${id.toString()} of ${spaceIdOf(kind)} belongs to another owner`, {
    details: { segmentation_id: id.toString(), segment_type: spaceIdOf(kind) },
  });

const noFreeSegment = (kind: SegmentKind): DomainError =>
  new DomainError('exhausted', 'NO_FREE_SEGMENT', `no range of ${spaceIdOf(kind)} has a free segmentation id`, {
    details: { segment_type: spaceIdOf(kind) },
  });

const otherHeld = (owner: OwnerId, space: string, id: number): DomainError =>
  new DomainError('precondition', 'OTHER_SEGMENT_HELD', `${owner} has ${id.toString()} of ${space} already`, {
    details: { owner, segmentation_id: id.toString(), segment_type: space },
  });

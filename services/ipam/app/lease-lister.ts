import { notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Store } from '#platform/store/store.ts';
import type { OwnerId } from '../domain/owner.ts';
import type { LeaseBook, LeasePage, ListedLease } from './lease-book.ts';
import type { IpamRecords } from './records.ts';

/** Whose leases to list. */
export type LeaseSelection = { readonly subnetId: Uuid } | { readonly owner: OwnerId };

/** Lists address leases. */
export class LeaseLister {
  readonly #store: Store;
  readonly #records: IpamRecords;
  readonly #book: LeaseBook;

  constructor(store: Store, records: IpamRecords, book: LeaseBook) {
    this.#store = store;
    this.#records = records;
    this.#book = book;
  }

  /** In address order. DomainError `not_found` for a subnet that does not exist. */
  async list(selection: LeaseSelection, page: LeasePage, signal: AbortSignal): Promise<readonly ListedLease[]> {
    if ('owner' in selection) return await this.#book.leasesBy(selection.owner, page, signal);
    const { subnetId } = selection;
    const leases = await this.#book.leasesOf(subnetId, page, signal);
    if (leases.length > 0) return leases;
    const subnet = await this.#store.get(this.#records.subnets, subnetId, signal);
    if (subnet === undefined) throw notFound('subnet', subnetId);
    return leases;
  }
}

import type { LeaseFamily } from '../app/lease-book.ts';

/** Names of what a lease book keeps in Redis: all in the partition's hash tag, beside the records of the store. */
export class LeaseKeys {
  readonly #partition: string;
  readonly #book: string;

  constructor(partition: string, family: LeaseFamily) {
    this.#partition = `weft:{${partition}}:`;
    this.#book = `${this.#partition}l:${family}:`;
  }

  /** Sorted set of the leases in a space. */
  leases(space: string): string {
    return `${this.#book}k:${space}`;
  }

  /** Sorted set of a holder's leases. */
  holder(holder: string): string {
    return `${this.#book}h:${holder}`;
  }

  /** Hash: how far a space's ranges have been given out. */
  pool(space: string): string {
    return `${this.#book}p:${space}`;
  }

  /** Sorted set of the keys that were given and came back. */
  released(space: string): string {
    return `${this.#book}f:${space}`;
  }

  /**
   * A record of the store in the same partition, a hash of `v` (version) and `d` (text): the lease scripts check and bump
   * versions in the same step as they lease. The lease book's contract suite fails when the store moves its records.
   */
  record(collection: string, id: string): string {
    return `${this.#partition}r:${collection}:${id}`;
  }
}

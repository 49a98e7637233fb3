import type { Clock } from '#platform/async/clock.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import { keyMac, macKey } from '../domain/lease-key.ts';
import type { Want } from '../domain/leasing.ts';
import type { OwnerId } from '../domain/owner.ts';
import { MAC_BASE, randomMac } from '../domain/random-mac.ts';
import type { LeaseBook } from './lease-book.ts';
import type { Mutation } from './mutation.ts';

export interface MacAllocation extends Mutation {
  readonly networkId: Uuid;
  readonly owner: OwnerId;
  /** Undefined: a random one of the base. */
  readonly mac: MacAddress | undefined;
}

export interface MacRelease extends Mutation {
  readonly networkId: Uuid;
  readonly owner: OwnerId;
}

/** Random addresses offered at once; of a network with a million of them, all 16 are taken once in 10^19. */
const CANDIDATES = 16;
const ROUNDS = 16;

/** Gives owners MAC addresses, each unique in its network. */
export class MacAddresses {
  readonly #book: LeaseBook;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #random: () => number;

  /** `random` is in [0, 1). */
  constructor(book: LeaseBook, clock: Pick<Clock, 'now'>, random: () => number) {
    this.#book = book;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * The owner's address in the network. DomainError `exists` MAC_ADDRESS_IN_USE for a chosen one that is taken,
   * `precondition` OTHER_MAC_ADDRESS_HELD for an owner that has another, `exhausted` when none was found.
   */
  async allocate(allocation: MacAllocation, signal: AbortSignal): Promise<MacAddress> {
    const { networkId, owner, mac, request, validateOnly } = allocation;
    for (let round = 0; round < ROUNDS; round += 1) {
      const outcome = await this.#book.allocate(
        {
          holder: owner,
          group: networkId,
          spaces: [{ id: networkId, ranges: [] }],
          wants: [this.#want(mac)],
          single: true,
          fence: undefined,
          now: this.#clock.now(),
          request,
          dryRun: validateOnly,
        },
        signal,
      );
      switch (outcome.kind) {
        case 'held': {
          const [lease] = outcome.leases;
          if (lease !== undefined) return keyMac(lease.key);
          break;
        }
        case 'occupied':
          throw otherHeld(owner, networkId, keyMac(outcome.lease.key));
        case 'taken':
          if (mac !== undefined) throw macInUse(networkId, mac);
          break;
        case 'full':
        case 'stale':
          break;
      }
    }
    throw new DomainError('exhausted', 'NO_FREE_MAC_ADDRESS', `no free address of ${MAC_BASE} was found`, {
      details: { network: networkId },
    });
  }

  /** No error when the owner has none. */
  async release({ networkId, owner, request, validateOnly }: MacRelease, signal: AbortSignal): Promise<void> {
    await this.#book.release({ holder: owner, group: networkId, filters: [], request, dryRun: validateOnly }, signal);
  }

  #want(mac: MacAddress | undefined): Want {
    if (mac !== undefined) return { kind: 'chosen', from: [0], key: macKey(mac) };
    const keys = Array.from({ length: CANDIDATES }, () => macKey(randomMac(this.#random)));
    return { kind: 'any', from: [0], keys };
  }
}

const macInUse = (networkId: Uuid, mac: MacAddress): DomainError =>
  new DomainError('exists', 'MAC_ADDRESS_IN_USE', `${mac} belongs to another owner in network ${networkId}`, {
    details: { network: networkId, mac_address: mac },
  });

const otherHeld = (owner: OwnerId, networkId: Uuid, mac: MacAddress): DomainError =>
  new DomainError('precondition', 'OTHER_MAC_ADDRESS_HELD', `${owner} has ${mac} in network ${networkId} already`, {
    details: { owner, network: networkId, mac_address: mac },
  });

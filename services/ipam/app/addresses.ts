import type { Clock } from '#platform/async/clock.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import { addressWants, spaceOf } from '../domain/address-wants.ts';
import type { FixedIp } from '../domain/address-wants.ts';
import { addressKey, keyAddress } from '../domain/lease-key.ts';
import type { Lease, Want } from '../domain/leasing.ts';
import type { OwnerId } from '../domain/owner.ts';
import type { LeaseBook, LeaseOutcome } from './lease-book.ts';
import type { Mutation } from './mutation.ts';
import type { Network, Networks } from './networks.ts';

export interface AddressAllocation extends Mutation {
  readonly networkId: Uuid;
  readonly owner: OwnerId;
  readonly fixedIps: readonly FixedIp[];
}

export interface AddressRelease extends Mutation {
  readonly owner: OwnerId;
  readonly fixedIps: readonly FixedIp[];
}

/** More changes of one network's subnets than can come between reading them and leasing. */
const ATTEMPTS = 20;

/** Leases addresses of networks to owners. */
export class Addresses {
  readonly #networks: Networks;
  readonly #book: LeaseBook;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(networks: Networks, book: LeaseBook, clock: Pick<Clock, 'now'>) {
    this.#networks = networks;
    this.#book = book;
    this.#clock = clock;
  }

  /**
   * All that the owner holds in the network, what was asked for first and in that order. DomainError `invalid`,
   * `not_found` SUBNET_NOT_FOUND, `precondition` NETWORK_WITHOUT_SUBNET, `exhausted` SUBNET_FULL, `exists`
   * ADDRESS_IN_USE.
   */
  async allocate(allocation: AddressAllocation, signal: AbortSignal): Promise<readonly Lease[]> {
    const { networkId } = allocation;
    const remembered = this.#networks.remembered(networkId);
    if (remembered !== undefined) {
      const leases = await this.#tryRemembered(remembered, allocation, signal);
      if (leases !== undefined) return leases;
    }
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const network = await this.#networks.read(networkId, signal);
      let wants: readonly Want[];
      try {
        wants = wantsOf(network, allocation);
      } catch (error) {
        const answer = await this.#answeredBefore(network, allocation, signal);
        if (answer !== undefined) return answer;
        throw error;
      }
      const outcome = await this.#ask(network, wants, allocation, signal);
      if (outcome.kind !== 'stale') return leasesOf(outcome, network, wants);
    }
    throw new DomainError('conflict', 'NETWORK_CONTENTION', `the subnets of network ${networkId} keep changing`, {
      details: { network: networkId },
    });
  }

  /** What was released. Releasing what the owner does not hold is no error. */
  async release(release: AddressRelease, signal: AbortSignal): Promise<readonly Lease[]> {
    const { owner, fixedIps, request, validateOnly } = release;
    const filters = fixedIps.map(({ subnetId, ipAddress }) => ({
      ...(subnetId === undefined ? {} : { space: subnetId }),
      ...(ipAddress === undefined ? {} : { key: addressKey(ipAddress) }),
    }));
    return await this.#book.release(
      { holder: owner, group: undefined, filters, request, dryRun: validateOnly },
      signal,
    );
  }

  async #tryRemembered(
    network: Network,
    allocation: AddressAllocation,
    signal: AbortSignal,
  ): Promise<readonly Lease[] | undefined> {
    let wants: readonly Want[];
    try {
      wants = wantsOf(network, allocation);
    } catch (error) {
      // It may be right by now: only what has just been read may be held against the caller.
      if (error instanceof DomainError) return undefined;
      throw error;
    }
    const outcome = await this.#ask(network, wants, allocation, signal);
    return outcome.kind === 'stale' ? undefined : leasesOf(outcome, network, wants);
  }

  /** What the same request got when its subnets were still there. */
  async #answeredBefore(
    network: Network,
    allocation: AddressAllocation,
    signal: AbortSignal,
  ): Promise<readonly Lease[] | undefined> {
    if (allocation.request.requestId === '') return undefined;
    // No record is ever at this version: the book either remembers the request or does nothing.
    const nothing = { ...network, subnets: [], fence: { ...network.fence, version: -1 } };
    const outcome = await this.#ask(nothing, [], allocation, signal);
    return outcome.kind === 'held' ? outcome.leases : undefined;
  }

  async #ask(
    { id, subnets, fence }: Network,
    wants: readonly Want[],
    { owner, request, validateOnly }: AddressAllocation,
    signal: AbortSignal,
  ): Promise<LeaseOutcome> {
    const asked = {
      holder: owner,
      group: id,
      spaces: subnets.map(spaceOf),
      wants,
      single: false,
      fence,
      now: this.#clock.now(),
      request,
      dryRun: validateOnly,
    };
    return await this.#book.allocate(asked, signal);
  }
}

const wantsOf = ({ id, subnets }: Network, { fixedIps }: AddressAllocation): readonly Want[] =>
  addressWants(id, subnets, fixedIps);

const leasesOf = (outcome: LeaseOutcome, network: Network, wants: readonly Want[]): readonly Lease[] => {
  switch (outcome.kind) {
    case 'held':
      return outcome.leases;
    case 'full':
      throw subnetFull(network, wants[outcome.want]);
    case 'taken':
      throw addressInUse(network, wants[outcome.want]);
    case 'stale':
    case 'occupied':
      throw new DomainError('internal', 'LEASE_OUTCOME', `${outcome.kind} is no answer to a request for addresses`);
  }
};

const subnetFull = ({ id, subnets }: Network, want: Want | undefined): DomainError => {
  const tried = (want?.from ?? []).flatMap((at) => subnets[at] ?? []);
  const names = tried.map((subnet) => `${subnet.id} (${subnet.cidr.text})`).join(', ');
  return new DomainError('exhausted', 'SUBNET_FULL', `no address is free in subnet ${names} of network ${id}`, {
    details: { network: id, subnet: tried.map((subnet) => subnet.id).join(',') },
  });
};

const addressInUse = ({ id, subnets }: Network, want: Want | undefined): DomainError => {
  const subnet = subnets[want?.from[0] ?? -1];
  const address = want?.kind === 'chosen' ? keyAddress(want.key) : 'address';
  return new DomainError(
    'exists',
    'ADDRESS_IN_USE',
    `${address} of subnet ${subnet?.id ?? ''} belongs to another owner`,
    {
      details: { network: id, subnet: subnet?.id ?? '', ip_address: address },
    },
  );
};

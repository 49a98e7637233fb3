import type { Clock } from '#platform/async/clock.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import { addressWants, isSelfAddressed, spaceOf } from '../domain/address-wants.ts';
import type { FixedIp } from '../domain/address-wants.ts';
import { addressKey, keyAddress, keyMac } from '../domain/lease-key.ts';
import type { Lease, Want } from '../domain/leasing.ts';
import type { Subnet } from '../domain/subnet.ts';
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
/** More networks than one owner has MAC addresses in. */
const MOST_MACS = 1_000;

/** Leases addresses of networks to owners. */
export class Addresses {
  readonly #networks: Networks;
  readonly #book: LeaseBook;
  readonly #macs: Pick<LeaseBook, 'leasesBy'>;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(networks: Networks, book: LeaseBook, macs: Pick<LeaseBook, 'leasesBy'>, clock: Pick<Clock, 'now'>) {
    this.#networks = networks;
    this.#book = book;
    this.#macs = macs;
    this.#clock = clock;
  }

  /**
   * All that the owner holds in the network, what was asked for first and in that order. DomainError `invalid`,
   * `not_found` SUBNET_NOT_FOUND, `precondition`: NETWORK_WITHOUT_SUBNET, or MAC_ADDRESS_REQUIRED where addresses are made
   * of the owner's MAC address, which it has not got; `exhausted` SUBNET_FULL, `exists`
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
        wants = await this.#wantsOf(network, allocation, signal);
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
      wants = await this.#wantsOf(network, allocation, signal);
    } catch (error) {
      // It may be right by now: only what has just been read may be held against the caller.
      if (error instanceof DomainError) return undefined;
      throw error;
    }
    const outcome = await this.#ask(network, wants, allocation, signal);
    return outcome.kind === 'stale' ? undefined : leasesOf(outcome, network, wants);
  }

  async #wantsOf(network: Network, allocation: AddressAllocation, signal: AbortSignal): Promise<readonly Want[]> {
    const { id, subnets } = network;
    const { fixedIps, owner, validateOnly } = allocation;
    const mac = subnets.some(isSelfAddressed) ? await this.#macOf(id, owner, signal) : undefined;
    const wants = addressWants(id, subnets, fixedIps, mac);
    const selfMade = wants.some(({ kind, from }) => kind === 'next' && from.some((at) => isSelfMade(subnets[at])));
    if (mac === undefined && selfMade && !validateOnly) throw macRequired(id, owner);
    return wants;
  }

  async #macOf(networkId: Uuid, owner: OwnerId, signal: AbortSignal): Promise<MacAddress | undefined> {
    const held = await this.#macs.leasesBy(owner, { after: undefined, limit: MOST_MACS }, signal);
    const mine = held.find(({ lease }) => lease.group === networkId);
    return mine === undefined ? undefined : keyMac(mine.lease.key);
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

const isSelfMade = (subnet: Subnet | undefined): boolean => subnet !== undefined && isSelfAddressed(subnet);

const macRequired = (networkId: Uuid, owner: OwnerId): DomainError =>
  new DomainError(
    'precondition',
    'MAC_ADDRESS_REQUIRED',
    `addresses of network ${networkId} are made of MAC addresses, and ${owner} has none there yet`,
    { details: { network: networkId, owner } },
  );

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
  const key = want?.kind === 'chosen' ? want.key : want?.kind === 'any' ? want.keys[0] : undefined;
  const address = key === undefined ? 'address' : keyAddress(key);
  return new DomainError(
    'exists',
    'ADDRESS_IN_USE',
    `${address} of subnet ${subnet?.id ?? ''} belongs to another owner`,
    {
      details: { network: id, subnet: subnet?.id ?? '', ip_address: address },
    },
  );
};

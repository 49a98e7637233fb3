import { randomUUID } from 'node:crypto';
import type { Clock } from '#platform/async/clock.ts';
import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { Cidr } from '#platform/net/cidr.ts';
import type { Uuid } from '#platform/net/names.ts';
import { checkEtag } from '#platform/store/etag.ts';
import type { Page, Store, Transaction, Versioned } from '#platform/store/store.ts';
import { noSubnets, withoutSubnet, withSubnet } from '../domain/network-subnets.ts';
import type { NetworkSubnets } from '../domain/network-subnets.ts';
import type { Lease } from '../domain/leasing.ts';
import { givesWay } from '../domain/owner.ts';
import { checkIpv6AddressMode, settle, wishOf } from '../domain/subnet.ts';
import type { Ipv6AddressMode, Subnet, SubnetWish } from '../domain/subnet.ts';
import { guardId } from './lease-book.ts';
import type { LeaseBook } from './lease-book.ts';
import { mutate, noAnswer, recordAnswer } from './mutation.ts';
import type { Mutation } from './mutation.ts';
import { networkIndex } from './records.ts';
import type { IpamRecords } from './records.ts';

export interface SubnetCreation extends Mutation {
  /** Undefined: a random one. */
  readonly id: Uuid | undefined;
  readonly networkId: Uuid;
  readonly cidr: Cidr;
  readonly ipv6AddressMode: Ipv6AddressMode | undefined;
  readonly wish: SubnetWish;
}

export interface SubnetUpdate extends Mutation {
  readonly id: Uuid;
  /** What is to change. */
  readonly patch: Partial<SubnetWish>;
  /** The version to be changed; empty: whichever is there. */
  readonly etag: string;
}

export interface SubnetDeletion extends Mutation {
  readonly id: Uuid;
  readonly etag: string;
}

/** Tells whom it may concern that subnets of a network are other than before. Does not wait, must not throw. */
export type SubnetNews = (networkId: Uuid) => void;

type SubnetLeases = Pick<LeaseBook, 'family' | 'count' | 'forget' | 'leasesOf' | 'release'>;

/** More addresses than these are no addresses for DHCP. */
const MOST_YIELDING = 64;

/** The subnets: made, read, changed and removed, each in one transaction with the list of its network's subnets. */
export class Subnets {
  readonly #store: Store;
  readonly #records: IpamRecords;
  readonly #addresses: SubnetLeases;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #news: SubnetNews;

  constructor(
    store: Store,
    records: IpamRecords,
    addresses: SubnetLeases,
    clock: Pick<Clock, 'now'>,
    news: SubnetNews,
  ) {
    this.#store = store;
    this.#records = records;
    this.#addresses = addresses;
    this.#clock = clock;
    this.#news = news;
  }

  /** DomainError `invalid` for what breaks a rule or overlaps, `exists` SUBNET_EXISTS for an id that is taken. */
  async create(creation: SubnetCreation, signal: AbortSignal): Promise<Versioned<Subnet>> {
    const { networkId, cidr, ipv6AddressMode, wish } = creation;
    const id = creation.id ?? (randomUUID() as Uuid);
    checkIpv6AddressMode(cidr, ipv6AddressMode);
    const settings = settle(cidr, wish);
    const mode = ipv6AddressMode === undefined ? {} : { ipv6AddressMode };
    const { subnets, networks } = this.#records;
    const created = await mutate(
      this.#store,
      creation,
      recordAnswer(subnets),
      async (tx) => {
        const [network, existing] = [await tx.get(networks, networkId), await tx.get(subnets, id)];
        if (existing !== undefined) throw subnetExists(id);
        const now = new Date(this.#clock.now()).toISOString();
        const subnet: Subnet = { id, networkId, cidr, ...mode, ...settings, createTime: now, updateTime: now };
        tx.put(networks, networkId, withSubnet(network?.value ?? noSubnets, subnet), network?.version ?? 'absent');
        return { value: subnet, version: tx.put(subnets, id, subnet, 'absent') };
      },
      signal,
    );
    this.#tell(creation, networkId);
    return created;
  }

  /** DomainError `not_found`. */
  async get(id: Uuid, signal: AbortSignal): Promise<Versioned<Subnet>> {
    const subnet = await this.#store.get(this.#records.subnets, id, signal);
    if (subnet === undefined) throw notFound('subnet', id);
    return subnet;
  }

  /** In id order; of one network or of all. */
  async list(
    networkId: Uuid | undefined,
    page: { readonly after: string | undefined; readonly limit: number },
    signal: AbortSignal,
  ): Promise<Page<Subnet>> {
    const { after, limit } = page;
    const options = {
      limit,
      ...(after === undefined ? {} : { after }),
      ...(networkId === undefined ? {} : { index: networkIndex(networkId) }),
    };
    return await this.#store.list(this.#records.subnets, options, signal);
  }

  /** DomainError `not_found`, `conflict` ETAG_MISMATCH, `invalid`. A patch that changes nothing leaves the version. */
  async update(update: SubnetUpdate, signal: AbortSignal): Promise<Versioned<Subnet>> {
    const { subnets, networks } = this.#records;
    const updated = await mutate(
      this.#store,
      update,
      recordAnswer(subnets),
      async (tx) => {
        const before = await this.#current(tx, update);
        const settings = settle(before.value.cidr, { ...wishOf(before.value), ...update.patch });
        const after: Subnet = { ...before.value, ...settings };
        if (subnets.encode(after) === subnets.encode(before.value)) return before;
        // The network's version stands for its subnets': what was planned upon the old one is not done any more.
        const network = await this.#network(tx, after.networkId);
        tx.put(networks, after.networkId, network.value, network.version);
        const subnet: Subnet = { ...after, updateTime: new Date(this.#clock.now()).toISOString() };
        return { value: subnet, version: tx.put(subnets, subnet.id, subnet, before.version) };
      },
      signal,
    );
    this.#tell(update, updated.value.networkId);
    return updated;
  }

  /** DomainError `not_found`, `conflict` ETAG_MISMATCH, `precondition` SUBNET_IN_USE while addresses are leased. */
  async delete(deletion: SubnetDeletion, signal: AbortSignal): Promise<void> {
    const { subnets, networks, guards } = this.#records;
    let deleted: { readonly subnet: Subnet; readonly yielding: readonly Lease[] } | undefined;
    await mutate(
      this.#store,
      deletion,
      noAnswer,
      async (tx) => {
        const { value: subnet, version } = await this.#current(tx, deletion);
        const guarding = guardId(this.#addresses.family, subnet.id);
        // First the guard, then the leases: one that is not seen here will have changed the guard.
        const guard = await tx.get(guards, guarding);
        const yielding = await this.#yieldingLeases(subnet.id, signal);
        // Harmless should the commit fail, and nothing of the subnet is left should this process end right after it.
        if (yielding.length === 0 && !deletion.validateOnly) await this.#addresses.forget(subnet.id, signal);
        if (guard !== undefined) tx.delete(guards, guarding, guard.version);
        const network = await this.#network(tx, subnet.networkId);
        const left = withoutSubnet(network.value, subnet.id);
        if (left.subnets.length === 0) tx.delete(networks, subnet.networkId, network.version);
        else tx.put(networks, subnet.networkId, left, network.version);
        tx.delete(subnets, subnet.id, version);
        deleted = { subnet, yielding };
      },
      signal,
    );
    if (deleted === undefined || deletion.validateOnly) return;
    this.#news(deleted.subnet.networkId);
    await this.#takeBack(deleted.subnet.id, deleted.yielding, signal);
  }

  /** All leases of a subnet, of owners that give way. Throws `precondition` SUBNET_IN_USE when there are others. */
  async #yieldingLeases(subnetId: Uuid, signal: AbortSignal): Promise<readonly Lease[]> {
    const listed = await this.#addresses.leasesOf(subnetId, { after: undefined, limit: MOST_YIELDING + 1 }, signal);
    const yielding = listed.map(({ lease }) => lease).filter(({ holder }) => givesWay(holder));
    if (listed.length <= MOST_YIELDING && yielding.length === listed.length) return yielding;
    const count = await this.#addresses.count(subnetId, undefined, signal);
    throw subnetInUse(subnetId, count - yielding.length);
  }

  /** Only when the subnet is gone: as long as it is there, an address must not be free while somebody goes by it. */
  async #takeBack(subnetId: Uuid, leases: readonly Lease[], signal: AbortSignal): Promise<void> {
    if (leases.length === 0) return;
    const request = { requestId: '', method: '', body: '' };
    for (const { holder, group } of leases) {
      const filters = [{ space: subnetId }];
      await this.#addresses.release({ holder, group, filters, request, dryRun: false }, signal);
    }
    await this.#addresses.forget(subnetId, signal);
  }

  #tell({ validateOnly }: Mutation, networkId: Uuid): void {
    if (!validateOnly) this.#news(networkId);
  }

  async #current(tx: Transaction, { id, etag }: SubnetDeletion | SubnetUpdate): Promise<Versioned<Subnet>> {
    const subnet = await tx.get(this.#records.subnets, id);
    if (subnet === undefined) throw notFound('subnet', id);
    checkEtag(etag, subnet.version);
    return subnet;
  }

  async #network(tx: Transaction, networkId: Uuid): Promise<Versioned<NetworkSubnets>> {
    const network = await tx.get(this.#records.networks, networkId);
    if (network !== undefined) return network;
    throw new DomainError('internal', 'NETWORK_RECORD_MISSING', `network ${networkId} has a subnet, but no record`);
  }
}

const subnetExists = (id: Uuid): DomainError =>
  new DomainError('exists', 'SUBNET_EXISTS', `subnet ${id} exists already`, { details: { subnet: id } });

const subnetInUse = (id: Uuid, leases: number): DomainError =>
  new DomainError('precondition', 'SUBNET_IN_USE', `subnet ${id} has ${leases.toString()} leased addresses`, {
    details: { subnet: id, leases: leases.toString() },
  });

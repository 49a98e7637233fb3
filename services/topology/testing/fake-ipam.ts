import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import { type IpAddress, parseIp } from '#platform/net/ip-address.ts';
import { type MacAddress, parseMac } from '#platform/net/mac-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Earnest, FixedIpWish, Ipam, PortOwner } from '../app/ipam.ts';
import type { Segment } from '../domain/network.ts';
import type { FixedIp } from '../domain/port.ts';
import type { Subnet } from '../domain/subnet.ts';
import { parseCidr } from '#platform/net/cidr.ts';

/** IPAM in memory: one owner per address, idempotent by owner; can be away, slow, or lose its answers. */
export class FakeIpam implements Ipam {
  /** Of each network, its subnets by id, each the first three bytes of a /24. */
  readonly subnets = new Map<Uuid, Map<Uuid, string>>();
  /** Subnets whose enable_dhcp is off. */
  readonly withoutDhcp = new Set<Uuid>();
  readonly macs = new Map<string, Uuid>();
  readonly addresses = new Map<IpAddress, { readonly owner: Uuid; readonly fixedIp: FixedIp }>();
  readonly segments = new Map<number, Uuid>();
  /** Throws `unavailable` without doing anything. */
  away = false;
  /** Does what is asked and throws `unavailable` all the same. */
  losesAnswers = false;
  /** MAC addresses given so far. */
  #made = 0;
  /** Awaited before each allocation. */
  before: () => Promise<void> = () => Promise.resolve();

  addSubnet(networkId: Uuid, subnetId: Uuid, prefix: string): void {
    const subnets = this.subnets.get(networkId) ?? new Map<Uuid, string>();
    this.subnets.set(networkId, subnets.set(subnetId, prefix));
  }

  /** Everything somebody holds, by owner. */
  get held(): readonly Uuid[] {
    const owners = [
      ...this.macs.values(),
      ...[...this.addresses.values()].map(({ owner }) => owner),
      ...this.segments.values(),
    ];
    return [...new Set(owners)].sort();
  }

  async allocateMac(
    port: PortOwner,
    wish: MacAddress | undefined,
    how: Earnest,
    signal: AbortSignal,
  ): Promise<MacAddress> {
    await this.#ready(signal);
    const mine = [...this.macs].find(([key, owner]) => owner === port.id && key.startsWith(port.networkId));
    const known = mine?.[0].slice(37);
    if (known !== undefined && (wish === undefined || wish === known)) return parseMac('mac_address', known);
    const mac = wish ?? parseMac('mac_address', `fa:16:3e:00:${hex(this.#made >> 8)}:${hex(this.#made & 255)}`);
    this.#made += 1;
    const key = `${port.networkId}:${mac}`;
    const owner = this.macs.get(key);
    if (owner !== undefined && owner !== port.id) {
      throw new DomainError('exists', 'MAC_ADDRESS_IN_USE', `${mac} is in use`, {
        violations: [{ field: 'mac_address', description: 'is in use' }],
      });
    }
    if (!how.validateOnly) this.macs.set(key, port.id);
    this.#answer();
    return mac;
  }

  async allocateAddresses(
    port: PortOwner,
    wishes: readonly FixedIpWish[],
    how: Earnest,
    signal: AbortSignal,
  ): Promise<readonly FixedIp[]> {
    await this.#ready(signal);
    const mine = [...this.addresses.values()].filter(({ owner }) => owner === port.id).map(({ fixedIp }) => fixedIp);
    const subnets = this.subnets.get(port.networkId) ?? new Map<Uuid, string>();
    if (wishes.length === 0 && (mine.length > 0 || subnets.size === 0)) return mine;
    const wanted = wishes.length === 0 ? [{}] : wishes;
    const given = wanted.flatMap((wish) => this.#address(port, mine, subnets, wish));
    if (!how.validateOnly)
      for (const fixedIp of given) this.addresses.set(fixedIp.ipAddress, { owner: port.id, fixedIp });
    this.#answer();
    return [...mine, ...given];
  }

  async releasePort({ id }: PortOwner, signal: AbortSignal): Promise<void> {
    await this.#present(signal);
    for (const [ip, { owner }] of this.addresses) if (owner === id) this.addresses.delete(ip);
    for (const [key, owner] of this.macs) if (owner === id) this.macs.delete(key);
  }

  async allocateSegment(networkId: Uuid, wish: Segment, how: Earnest, signal: AbortSignal): Promise<number> {
    await this.#ready(signal);
    const known = [...this.segments].find(([, owner]) => owner === networkId)?.[0];
    if (known !== undefined) return known;
    let id = wish.segmentationId;
    if (id !== 0 && this.segments.has(id))
      throw new DomainError('exists', 'SEGMENT_IN_USE', `${id.toString()} is in use`);
    while (id === 0 || this.segments.has(id)) id += 1;
    if (!how.validateOnly) this.segments.set(id, networkId);
    this.#answer();
    return id;
  }

  async releaseSegment(networkId: Uuid, signal: AbortSignal): Promise<void> {
    await this.#present(signal);
    for (const [id, owner] of this.segments) if (owner === networkId) this.segments.delete(id);
  }

  async hasSubnets(networkId: Uuid, signal: AbortSignal): Promise<boolean> {
    await this.#present(signal);
    return (this.subnets.get(networkId)?.size ?? 0) > 0;
  }

  async getSubnet(id: Uuid, signal: AbortSignal): Promise<Subnet> {
    const subnet = (await this.listSubnets(undefined, signal)).find((known) => known.id === id);
    if (subnet === undefined) throw notFound('subnet', id);
    return subnet;
  }

  async listSubnets(networkId: Uuid | undefined, signal: AbortSignal): Promise<readonly Subnet[]> {
    await this.#present(signal);
    return [...this.subnets]
      .filter(([id]) => networkId === undefined || id === networkId)
      .flatMap(([id, subnets]) => [...subnets].map(([subnetId, prefix]) => this.#subnet(id, subnetId, prefix)));
  }

  #subnet(networkId: Uuid, id: Uuid, prefix: string): Subnet {
    return {
      id,
      networkId,
      name: '',
      cidr: parseCidr('cidr', `${prefix}.0/24`),
      gatewayIp: parseIp('gateway', `${prefix}.1`),
      allocationPools: [],
      dnsNameservers: [],
      hostRoutes: [],
      enableDhcp: !this.withoutDhcp.has(id),
      revision: this.withoutDhcp.has(id) ? 2 : 1,
    };
  }

  /** Nothing when it is one that the port has. */
  #address(
    port: PortOwner,
    mine: readonly FixedIp[],
    subnets: ReadonlyMap<Uuid, string>,
    wish: FixedIpWish,
  ): readonly FixedIp[] {
    if (mine.some(({ subnetId, ipAddress }) => subnetId === wish.subnetId || ipAddress === wish.ipAddress)) return [];
    const [first] = subnets.keys();
    const subnetId = wish.subnetId ?? first;
    const prefix = subnetId === undefined ? undefined : subnets.get(subnetId);
    if (subnetId === undefined || prefix === undefined) {
      throw new DomainError('invalid', 'NO_SUBNET', `network ${port.networkId} has no such subnet`);
    }
    const free = Array.from({ length: 250 }, (_, at) => parseIp('ip', `${prefix}.${(at + 2).toString()}`)).find(
      (ip) => !this.addresses.has(ip),
    );
    const ipAddress = wish.ipAddress ?? free;
    if (ipAddress === undefined) throw new DomainError('exhausted', 'SUBNET_FULL', 'no address is free');
    if (this.addresses.has(ipAddress)) throw new DomainError('exists', 'ADDRESS_IN_USE', `${ipAddress} is in use`);
    return [{ subnetId, ipAddress }];
  }

  async #ready(signal: AbortSignal): Promise<void> {
    await this.before();
    await this.#present(signal);
  }

  async #present(signal: AbortSignal): Promise<void> {
    await Promise.resolve();
    signal.throwIfAborted();
    if (this.away) throw new DomainError('unavailable', 'UNAVAILABLE', 'ipam is away');
  }

  #answer(): void {
    if (this.losesAnswers) throw new DomainError('unavailable', 'UNAVAILABLE', 'the answer was lost');
  }
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

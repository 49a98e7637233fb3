import type { HostId, Uuid } from '#platform/net/names.ts';
import { DHCP_OWNER } from '../domain/device-owner.ts';
import { dhcpKey, type Duty, dutyKey, securityKey } from '../domain/duty.ts';
import type { Touched } from './changes.ts';

/** What may be other than told. */
export interface Stale {
  /** Of duties. */
  readonly keys: ReadonlySet<string>;
  /** Ports whose security it may be. */
  readonly security: ReadonlySet<Uuid>;
  /** Ports whose DHCP it may be. */
  readonly dhcp: ReadonlySet<Uuid>;
}

interface Told {
  readonly duty: Duty;
  readonly print: string;
}

/** More than this is looked at all together. */
const MOST = 2_000;

/** What a host was told of its duties, and what of it may have changed since. */
export class DutyLedger {
  readonly #hostId: HostId;
  readonly #print: (duty: Duty) => string;
  readonly #told = new Map<string, Told>();
  /** Ports with DHCP here, by network. */
  readonly #dhcp = new Map<Uuid, Uuid>();
  #security = new Set<Uuid>();
  #served = new Set<Uuid>();
  #networks = new Set<Uuid>();
  #everything = false;
  /** While duties are read and told, nobody knows yet what will have been told: all that changes counts. */
  #settled = false;

  constructor(hostId: HostId, print: (duty: Duty) => string) {
    this.#hostId = hostId;
    this.#print = print;
  }

  /** Notes what may be other than told; whether anything may. */
  note(touched: Touched): boolean {
    switch (touched.kind) {
      case 'port':
        return this.#notePort(touched);
      case 'network':
        return this.#noteNetwork(touched.id);
      case 'subnets':
        return this.#noteNetwork(touched.networkId);
      case 'everything':
        this.#everything = true;
        return true;
      case 'host':
      case 'ipam':
      case 'router':
      case 'floating_ip':
        return false;
    }
  }

  /** What was noted since the last time; to be followed by `settle` when it is read and told. */
  take(): Stale | 'everything' {
    const [security, served, networks, everything] = [this.#security, this.#served, this.#networks, this.#everything];
    this.#security = new Set();
    this.#served = new Set();
    this.#networks = new Set();
    this.#everything = false;
    this.#settled = false;
    if (everything || security.size + networks.size > MOST) return 'everything';
    const servers = [...networks].flatMap((id) => this.#dhcp.get(id) ?? []);
    const dhcp = new Set([...served, ...servers]);
    return { security, dhcp, keys: new Set([...[...security].map(securityKey), ...[...dhcp].map(dhcpKey)]) };
  }

  settle(): void {
    this.#settled = true;
  }

  /** Of all that was told and holds. */
  keys(): Iterable<string> {
    return [...this.#told.keys()];
  }

  /** Notes a duty as told; whether it is news. */
  tell(duty: Duty): boolean {
    const key = dutyKey(duty);
    const print = this.#print(duty);
    if (this.#told.get(key)?.print === print) return false;
    this.#told.set(key, { duty, print });
    if (duty.kind === 'dhcp-server') this.#dhcp.set(duty.port.networkId, duty.port.portId);
    return true;
  }

  /** Forgets duties, and returns those that had been told. */
  end(keys: readonly string[]): readonly Duty[] {
    return keys.flatMap((key) => {
      const told = this.#told.get(key);
      if (told === undefined) return [];
      this.#told.delete(key);
      const { duty } = told;
      if (duty.kind === 'dhcp-server') this.#dhcp.delete(duty.port.networkId);
      return [duty];
    });
  }

  #notePort({ id, networkId, hostId, deviceOwner }: Extract<Touched, { kind: 'port' }>): boolean {
    const concerns = !this.#settled || hostId === this.#hostId || this.#told.has(securityKey(id));
    if (concerns) this.#security.add(id);
    if (concerns && deviceOwner === DHCP_OWNER) this.#served.add(id);
    return this.#noteNetwork(networkId) || concerns;
  }

  #noteNetwork(id: Uuid): boolean {
    const concerns = !this.#settled || this.#dhcp.has(id);
    if (concerns) this.#networks.add(id);
    return concerns;
  }
}

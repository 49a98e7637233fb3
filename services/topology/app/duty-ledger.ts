import type { HostId, Uuid } from '#platform/net/names.ts';
import { DHCP_OWNER } from '../domain/device-owner.ts';
import { dhcpKey, type Duty, dutyKey, routerKey, type RouterInstance, securityKey } from '../domain/duty.ts';
import type { Touched } from './changes.ts';
import type { Suspects } from './read-duties.ts';

/** What may be other than told. */
export interface Stale extends Suspects {
  /** Of duties. */
  readonly keys: ReadonlySet<string>;
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
  readonly #routersTold = new Map<Uuid, RouterInstance>();
  #security = new Set<Uuid>();
  #served = new Set<Uuid>();
  #routers = new Set<Uuid>();
  #floatingIps = new Set<Uuid>();
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
      case 'router':
        return this.#noteRouter(touched.id, touched.hostId);
      case 'floating_ip': {
        const isKnown = this.#noteRouter(touched.routerId, undefined);
        // It may have led through another router before.
        const left = !this.#settled || this.#routersWith((router) => leadsThrough(router, touched.id)).length > 0;
        if (left) this.#floatingIps.add(touched.id);
        return isKnown || left;
      }
      case 'host':
      case 'ipam':
        return false;
    }
  }

  /** What was noted since the last time; to be followed by `settle` when it is read and told. */
  take(): Stale | 'everything' {
    const noted = {
      security: this.#security,
      dhcp: this.#served,
      routers: this.#routers,
      networks: this.#networks,
      floatingIps: this.#floatingIps,
    };
    const everything = this.#everything;
    this.#security = new Set();
    this.#served = new Set();
    this.#routers = new Set();
    this.#networks = new Set();
    this.#floatingIps = new Set();
    this.#everything = false;
    this.#settled = false;
    if (everything || Object.values(noted).some(({ size }) => size > MOST)) return 'everything';
    return this.#resolve(noted);
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
    if (duty.kind === 'router') this.#routersTold.set(duty.routerId, duty);
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
      if (duty.kind === 'router') this.#routersTold.delete(duty.routerId);
      return [duty];
    });
  }

  #notePort({ id, networkId, hostId, deviceOwner, deviceId }: Extract<Touched, { kind: 'port' }>): boolean {
    const concerns = this.#concerns(hostId, securityKey(id));
    if (concerns) this.#security.add(id);
    if (concerns && deviceOwner === DHCP_OWNER) this.#served.add(id);
    // The device of a port of a router is the router.
    const isRouter = this.#told.has(routerKey(deviceId));
    if (isRouter) this.#routers.add(deviceId as string as Uuid);
    return this.#noteServer(networkId) || concerns || isRouter;
  }

  #noteNetwork(id: Uuid): boolean {
    const concerns = !this.#settled || this.#dhcp.has(id) || this.#routersWith((router) => isAt(router, id)).length > 0;
    if (concerns) this.#networks.add(id);
    return concerns;
  }

  /** A port of the network is other than before: that concerns its DHCP alone. */
  #noteServer(networkId: Uuid): boolean {
    const server = this.#dhcp.get(networkId);
    if (server !== undefined) this.#served.add(server);
    else if (!this.#settled) this.#networks.add(networkId);
    return server !== undefined || !this.#settled;
  }

  #noteRouter(id: Uuid | undefined, hostId: HostId | undefined): boolean {
    if (id === undefined || !this.#concerns(hostId, routerKey(id))) return false;
    this.#routers.add(id);
    return true;
  }

  #concerns(hostId: HostId | undefined, key: string): boolean {
    return !this.#settled || hostId === this.#hostId || this.#told.has(key);
  }

  #routersWith(what: (router: RouterInstance) => boolean): readonly Uuid[] {
    return [...this.#routersTold.values()].filter(what).map(({ routerId }) => routerId);
  }

  #resolve(noted: Suspects & { readonly networks: ReadonlySet<Uuid>; readonly floatingIps: ReadonlySet<Uuid> }): Stale {
    const { security } = noted;
    const dhcp = noted.dhcp.union(new Set([...noted.networks].flatMap((id) => this.#dhcp.get(id) ?? [])));
    const touched = (router: RouterInstance): boolean =>
      [...noted.networks].some((id) => isAt(router, id)) ||
      [...noted.floatingIps].some((id) => leadsThrough(router, id));
    const routers = noted.routers.union(new Set(this.#routersWith(touched)));
    const keys = [...[...security].map(securityKey), ...[...dhcp].map(dhcpKey), ...[...routers].map(routerKey)];
    return { security, dhcp, routers, keys: new Set(keys) };
  }
}

const isAt = ({ gateway, interfaces }: RouterInstance, networkId: Uuid): boolean =>
  gateway?.networkId === networkId || interfaces.some((one) => one.networkId === networkId);

const leadsThrough = ({ floatingAddresses }: RouterInstance, id: Uuid): boolean =>
  floatingAddresses.some(({ floatingIpId }) => floatingIpId === id);

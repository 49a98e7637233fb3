import type { Collection, Transaction, Versioned } from '#platform/store/store.ts';
import { carrier } from '#platform/telemetry/spans.ts';
import { type Host, type Vtep, vtepOf } from '../domain/host.ts';
import { type Lifetime, type Markable, unmarked } from '../domain/lifetime.ts';
import type { Network } from '../domain/network.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import type { Port } from '../domain/port.ts';
import type { Router } from '../domain/router.ts';
import type { Change, Environment, Resource } from './environment.ts';

type New<T extends Lifetime> = Omit<T, keyof Lifetime>;

/** Writes resources, with their revisions and times, and says so to others: all of it in the caller's commit. */
export class Writer {
  readonly #environment: Environment;
  readonly #tx: Transaction;
  readonly #cause: string;
  readonly #now: number;

  constructor(environment: Environment, tx: Transaction, cause: string) {
    this.#environment = environment;
    this.#tx = tx;
    this.#cause = cause;
    this.#now = environment.clock.now();
  }

  createHost(host: New<Host>, lease: number | undefined): Host {
    const made = this.#create<Host>(this.#environment.records.hosts, host.id, host);
    this.#emit('created', { kind: 'host', host: made, lease });
    return made;
  }

  updateHost(before: Versioned<Host>, after: Host, lease: number | undefined): Host {
    const written = this.#update(this.#environment.records.hosts, before, unmarked(after));
    this.#emit('updated', { kind: 'host', host: written, lease });
    return written;
  }

  deleteHost(host: Versioned<Host>): void {
    const last = this.#delete(this.#environment.records.hosts, host);
    this.#emit('deleted', { kind: 'host', host: last, lease: undefined });
  }

  createNetwork(network: New<Network>): Network {
    const made = this.#create<Network>(this.#environment.records.networks, network.id, network);
    this.#emit('created', { kind: 'network', network: made });
    return made;
  }

  updateNetwork(before: Versioned<Network>, after: Network): Network {
    const written = this.#update(this.#environment.records.networks, before, unmarked(after));
    this.#emit('updated', { kind: 'network', network: written });
    return written;
  }

  deleteNetwork(network: Versioned<Network>): void {
    this.#emit('deleted', { kind: 'network', network: this.#delete(this.#environment.records.networks, network) });
  }

  async createPort(port: New<Port>): Promise<Port> {
    const vtep = await this.#vtepOf(port);
    const made = this.#create<Port>(this.#environment.records.ports, port.id, port);
    this.#emit('created', { kind: 'port', port: made, vtep });
    return made;
  }

  async updatePort(before: Versioned<Port>, after: Port): Promise<Port> {
    const vtep = await this.#vtepOf(after);
    const written = this.#update(this.#environment.records.ports, before, after);
    this.#emit('updated', { kind: 'port', port: written, vtep });
    return written;
  }

  async deletePort(port: Versioned<Port>): Promise<void> {
    const vtep = await this.#vtepOf(port.value);
    this.#emit('deleted', { kind: 'port', port: this.#delete(this.#environment.records.ports, port), vtep });
  }

  createRouter(router: New<Router>): Router {
    const made = this.#create<Router>(this.#environment.records.routers, router.id, router);
    this.#emit('created', { kind: 'router', router: made });
    return made;
  }

  updateRouter(before: Versioned<Router>, after: Router): Router {
    const written = this.#update(this.#environment.records.routers, before, after);
    this.#emit('updated', { kind: 'router', router: written });
    return written;
  }

  deleteRouter(router: Versioned<Router>): void {
    this.#emit('deleted', { kind: 'router', router: this.#delete(this.#environment.records.routers, router) });
  }

  createFloatingIp(floatingIp: New<FloatingIp>): FloatingIp {
    const made = this.#create<FloatingIp>(this.#environment.records.floatingIps, floatingIp.id, floatingIp);
    this.#emit('created', { kind: 'floating_ip', floatingIp: made });
    return made;
  }

  updateFloatingIp(before: Versioned<FloatingIp>, after: FloatingIp): FloatingIp {
    const written = this.#update(this.#environment.records.floatingIps, before, after);
    this.#emit('updated', { kind: 'floating_ip', floatingIp: written });
    return written;
  }

  deleteFloatingIp(floatingIp: Versioned<FloatingIp>): void {
    const last = this.#delete(this.#environment.records.floatingIps, floatingIp);
    this.#emit('deleted', { kind: 'floating_ip', floatingIp: last });
  }

  /** Writes what nobody outside sees: no revision, no event. */
  putQuietly<T extends { readonly id: string }>(into: Collection<T>, before: Versioned<T>, after: T): void {
    this.#tx.put(into, after.id, after, before.version);
  }

  /** Takes a void deletion mark off, so that the deletion it is from cannot go on. */
  liftMark<T extends Markable & { readonly id: string }>(from: Collection<T>, marked: Versioned<T>): void {
    if (marked.value.deletion !== undefined) this.putQuietly(from, marked, unmarked(marked.value));
  }

  /** A revision is the version of the record that brought it: it goes on growing in the id's next life. */
  #create<T extends Lifetime>(into: Collection<T>, id: string, value: New<T>): T {
    const born = (revision: number): T =>
      // What `New` leaves out is exactly this.
      ({ ...value, revision, createdAt: this.#now, updatedAt: this.#now }) as unknown as T;
    const version = this.#tx.put(into, id, born(0), 'absent');
    const made = born(version);
    this.#tx.put(into, id, made, version);
    return made;
  }

  #update<T extends Lifetime & { readonly id: string }>(into: Collection<T>, before: Versioned<T>, after: T): T {
    const written = { ...after, revision: before.version + 1, updatedAt: this.#now };
    this.#tx.put(into, after.id, written, before.version);
    return written;
  }

  #delete<T extends Lifetime & { readonly id: string }>(from: Collection<T>, { value, version }: Versioned<T>): T {
    this.#tx.delete(from, value.id, version);
    return { ...value, revision: version + 1, updatedAt: this.#now };
  }

  async #vtepOf(port: Pick<Port, 'binding'>): Promise<Vtep | undefined> {
    const { hostId } = port.binding;
    if (hostId === undefined) return undefined;
    const host = await this.#tx.get(this.#environment.records.hosts, hostId);
    return host === undefined ? undefined : vtepOf(host.value);
  }

  #emit(what: Change['what'], resource: Resource): void {
    const event = this.#environment.announce({ ...resource, what, cause: this.#cause, time: this.#now });
    this.#tx.emit({ ...event, headers: { ...event.headers, ...carrier() } });
  }
}

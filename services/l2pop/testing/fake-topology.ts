import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Topology } from '../app/ports.ts';
import type { TopologyChange } from '../app/topology-events.ts';
import type { ForwardingEntry, Host, Network, Port } from '../domain/entry.ts';
import { entryOf, hostOf, networkOf, portOf, vtepOf } from './arbitraries.ts';

/** topology in memory: what it is told it does at once, and returns as its events would say it. */
export class FakeTopology implements Topology {
  readonly #hosts = new Map<HostId, Host>();
  readonly #networks = new Map<Uuid, Network>();
  readonly #ports = new Map<Uuid, Port>();
  /** Goes on over deletions, as topology's do. */
  readonly #revisions = new Map<string, number>();
  readonly #withdrawDead: boolean;
  /** While set, every question fails with it. */
  away: Error | undefined;
  pageSize = 3;

  constructor(withdrawDead = false) {
    this.#withdrawDead = withdrawDead;
  }

  putHost(n: number, move = 0, down = false): TopologyChange {
    const id = hostOf(n);
    const host = { id, revision: this.#next(id), vtep: vtepOf(n, move), down };
    this.#hosts.set(id, host);
    return { kind: 'host', gone: false, host };
  }

  putNetwork(n: number, overlay = true): TopologyChange {
    const id = networkOf(n);
    const network = { id, revision: this.#next(id), overlay };
    this.#networks.set(id, network);
    return { kind: 'network', gone: false, network };
  }

  deleteNetwork(n: number): TopologyChange | undefined {
    const network = this.#networks.get(networkOf(n));
    if (network === undefined || [...this.#ports.values()].some(({ networkId }) => networkId === network.id))
      return undefined;
    this.#networks.delete(network.id);
    return { kind: 'network', gone: true, network: { ...network, revision: this.#next(network.id) } };
  }

  /** Binds port n of a network to a host, or nowhere; a new port where there is none. */
  putPort(n: number, network: number, host: number | undefined, adminStateUp = true): TopologyChange {
    const id = portOf(n);
    const known = this.#ports.get(id);
    const boundTo = host === undefined ? undefined : hostOf(host);
    const generation = (known?.generation ?? 0n) + (known?.boundTo === boundTo ? 0n : 1n);
    const { mac, ips } = entryOf(n, vtepOf(0));
    const port: Port = {
      id,
      networkId: known?.networkId ?? networkOf(network),
      revision: this.#next(id),
      mac,
      ips,
      adminStateUp,
      ...(boundTo !== undefined && { boundTo }),
      generation,
    };
    this.#ports.set(id, port);
    return this.#portChange(port, false);
  }

  deletePort(n: number): TopologyChange | undefined {
    const port = this.#ports.get(portOf(n));
    if (port === undefined) return undefined;
    this.#ports.delete(port.id);
    return this.#portChange({ ...port, revision: this.#next(port.id) }, true);
  }

  /** What the table of a network should hold, in port id order. */
  table(networkId: Uuid): readonly ForwardingEntry[] {
    if (this.#networks.get(networkId)?.overlay === false) return [];
    return sorted(this.#ports.values()).flatMap((port) => {
      const host = port.boundTo === undefined ? undefined : this.#hosts.get(port.boundTo);
      const placed = port.networkId === networkId && port.adminStateUp && !(this.#withdrawDead && host?.down === true);
      if (!placed || host?.vtep === undefined) return [];
      const { id: portId, mac, ips, generation } = port;
      return [{ portId, mac, ips, vtep: host.vtep, generation }];
    });
  }

  get networkIds(): readonly Uuid[] {
    return [...this.#networks.keys()];
  }

  async *hosts(): AsyncGenerator<readonly Host[], void> {
    yield* this.#pages(this.#hosts.values());
  }

  async *networks(): AsyncGenerator<readonly Network[], void> {
    yield* this.#pages(this.#networks.values());
  }

  async *ports(boundTo: HostId | undefined): AsyncGenerator<readonly Port[], void> {
    yield* this.#pages([...this.#ports.values()].filter((port) => boundTo === undefined || port.boundTo === boundTo));
  }

  host(id: HostId): Promise<Host | undefined> {
    return this.#answer(this.#hosts.get(id));
  }

  network(id: Uuid): Promise<Network | undefined> {
    return this.#answer(this.#networks.get(id));
  }

  port(id: Uuid): Promise<Port | undefined> {
    return this.#answer(this.#ports.get(id));
  }

  async *#pages<T extends { readonly id: string }>(items: Iterable<T>): AsyncGenerator<readonly T[], void> {
    const all = sorted(items);
    for (let at = 0; at < all.length; at += this.pageSize) yield await this.#answer(all.slice(at, at + this.pageSize));
    await this.#answer(undefined);
  }

  #answer<T>(value: T): Promise<T> {
    return this.away === undefined ? Promise.resolve(value) : Promise.reject(this.away);
  }

  #portChange(port: Port, gone: boolean): TopologyChange {
    const vtep = port.boundTo === undefined ? undefined : this.#hosts.get(port.boundTo)?.vtep;
    return { kind: 'port', gone, port, ...(vtep !== undefined && { vtep }) };
  }

  #next(id: string): number {
    const revision = (this.#revisions.get(id) ?? 0) + 1;
    this.#revisions.set(id, revision);
    return revision;
  }
}

const sorted = <T extends { readonly id: string }>(items: Iterable<T>): readonly T[] =>
  [...items].sort((a, b) => (a.id < b.id ? -1 : 1));

import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Host, Port, Vtep } from '../domain/entry.ts';
import { placePort, sameVtep } from '../domain/placement.ts';
import type { TableOperation } from '../domain/table.ts';
import type { HostDirectory } from './host-directory.ts';
import type { NetworkDirectory } from './network-directory.ts';
import type { Topology } from './ports.ts';

export interface PlacerOptions {
  /** Whether the ports of a host whose lease has ended leave the tables. */
  readonly withdrawDead: boolean;
}

/** What came with a port: the VTEP its event named, and whether that event had been delivered before. */
export interface Told {
  readonly vtep?: Vtep;
  readonly redelivered?: boolean;
}

/** Decides what ports mean to tables, with what this replica knows of hosts and networks. */
export class Placer {
  readonly hosts: HostDirectory;
  readonly networks: NetworkDirectory;
  readonly #topology: Topology;
  readonly #options: PlacerOptions;
  readonly #log: Log;

  constructor(
    directories: { readonly hosts: HostDirectory; readonly networks: NetworkDirectory },
    topology: Topology,
    options: PlacerOptions,
    log: Log,
  ) {
    this.hosts = directories.hosts;
    this.networks = directories.networks;
    this.#topology = topology;
    this.#options = options;
    this.#log = log;
  }

  /** What to do about a port; asks topology only where the event and this replica disagree about its host's VTEP. */
  async place(port: Port, told: Told, signal: AbortSignal): Promise<TableOperation> {
    return this.placeAt(port, await this.#hostOf(port.boundTo, told.vtep, signal), told);
  }

  /** As `place`, where the host is known to be right. */
  placeAt(port: Port, host: Host | undefined, { vtep, redelivered = false }: Told): TableOperation {
    const { withdrawDead } = this.#options;
    return placePort(port, {
      ...(host !== undefined && { host }),
      ...(vtep !== undefined && { vtep }),
      withdrawDead,
      redelivered,
    });
  }

  /** What to do about ports of a listing, by network; those of networks that are no overlays are left out. */
  placeListed(ports: readonly Port[], redelivered = false): ReadonlyMap<Uuid, readonly TableOperation[]> {
    const placed = ports
      .filter(({ networkId }) => this.networks.isOverlay(networkId) !== false)
      .map((port) => {
        const host = port.boundTo === undefined ? undefined : this.hosts.get(port.boundTo);
        return [port.networkId, this.placeAt(port, host, { redelivered })] as const;
      });
    const groups = Map.groupBy(placed, ([networkId]) => networkId);
    return new Map([...groups].map(([networkId, own]) => [networkId, own.map(([, operation]) => operation)]));
  }

  async #hostOf(id: HostId | undefined, vtep: Vtep | undefined, signal: AbortSignal): Promise<Host | undefined> {
    const known = id === undefined ? undefined : this.hosts.get(id);
    if (known === undefined || vtep === undefined || sameVtep(known.vtep, vtep)) return known;
    try {
      const now = await this.#topology.host(known.id, signal);
      return now === undefined ? known : this.hosts.learn(now);
    } catch (error) {
      // The host's own event says the same a little later.
      this.#log.warn({ err: toError(error), host: known.id }, 'which VTEP is right could not be asked');
      return known;
    }
  }
}

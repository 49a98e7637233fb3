import type { Uuid } from '#platform/net/names.ts';
import type { Store } from '#platform/store/store.ts';
import type { Subnet } from '../domain/subnet.ts';
import type { Fence } from './lease-book.ts';
import type { IpamRecords } from './records.ts';

/** A network's subnets, in order of creation, as they were at one moment. */
export interface Network {
  readonly id: Uuid;
  readonly subnets: readonly Subnet[];
  /** Holds as long as no subnet of the network changes, comes or goes. */
  readonly fence: Fence;
}

/** Networks whose subnets are remembered. */
const REMEMBERED = 10_000;

/**
 * Reads the subnets of networks and remembers them. What is remembered may be out of date: only what the fence has
 * confirmed may be told to anyone.
 */
export class Networks {
  readonly #store: Store;
  readonly #records: IpamRecords;
  readonly #remembered = new Map<Uuid, Network>();

  constructor(store: Store, records: IpamRecords) {
    this.#store = store;
    this.#records = records;
  }

  /** What was read last, if anything. */
  remembered(id: Uuid): Network | undefined {
    return this.#remembered.get(id);
  }

  /** Reads it now. A network without subnets is one that nobody has heard of. */
  async read(id: Uuid, signal: AbortSignal): Promise<Network> {
    const { networks, subnets } = this.#records;
    const network = await this.#store.transact(async (tx): Promise<Network> => {
      const record = await tx.get(networks, id);
      const ids = record?.value.subnets.map((entry) => entry.id) ?? [];
      const found = ids.length === 0 ? [] : await tx.getMany(subnets, ids);
      return {
        id,
        // One that is missing has gone in between: then the fence does not hold.
        subnets: found.flatMap((subnet) => (subnet === undefined ? [] : [subnet.value])),
        fence: { collection: networks.name, id, version: record?.version ?? 0 },
      };
    }, signal);
    this.#remember(network);
    return network;
  }

  #remember(network: Network): void {
    this.#remembered.delete(network.id);
    if (network.subnets.length === 0) return;
    this.#remembered.set(network.id, network);
    if (this.#remembered.size <= REMEMBERED) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }
}

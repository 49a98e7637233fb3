import { DomainError } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { CallOptions, RpcClient } from '#platform/rpc/client.ts';
import type { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import type { Topology } from '../app/ports.ts';
import type { Host, Network, Port } from '../domain/entry.ts';
import { readHost, readNetwork, readPort } from './topology-messages.ts';

const PAGE = 500;
const TIMEOUT_MS = 5_000;

type Client = RpcClient<typeof TopologyServiceService>;

/** topology over gRPC. */
export class TopologyClient implements Topology {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async *hosts(signal: AbortSignal): AsyncGenerator<readonly Host[], void> {
    yield* pages(async (page) => {
      const { hosts, next_page_token } = await this.#client.listHosts(page, options(signal));
      return { items: hosts.map(readHost), next_page_token };
    });
  }

  async *networks(signal: AbortSignal): AsyncGenerator<readonly Network[], void> {
    yield* pages(async (page) => {
      const { networks, next_page_token } = await this.#client.listNetworks({ ...page, name: '' }, options(signal));
      return { items: networks.map(readNetwork), next_page_token };
    });
  }

  async *ports(boundTo: HostId | undefined, signal: AbortSignal): AsyncGenerator<readonly Port[], void> {
    const filter = { network_id: '', binding_host_id: boundTo ?? '', name: '' };
    yield* pages(async (page) => {
      const { ports, next_page_token } = await this.#client.listPorts({ ...page, ...filter }, options(signal));
      return { items: ports.map(readPort), next_page_token };
    });
  }

  async host(id: HostId, signal: AbortSignal): Promise<Host | undefined> {
    return await found(async () => readHost(await this.#client.getHost({ id }, options(signal))));
  }

  async network(id: Uuid, signal: AbortSignal): Promise<Network | undefined> {
    return await found(async () => readNetwork(await this.#client.getNetwork({ id }, options(signal))));
  }

  async port(id: Uuid, signal: AbortSignal): Promise<Port | undefined> {
    return await found(async () => readPort(await this.#client.getPort({ id }, options(signal))));
  }
}

const options = (signal: AbortSignal): CallOptions => ({ signal, timeoutMs: TIMEOUT_MS });

interface PageOf<T> {
  readonly items: readonly T[];
  readonly next_page_token: string;
}

async function* pages<T>(
  read: (page: { readonly page_size: number; readonly page_token: string }) => Promise<PageOf<T>>,
): AsyncGenerator<readonly T[], void> {
  let token = '';
  do {
    const { items, next_page_token } = await read({ page_size: PAGE, page_token: token });
    if (items.length > 0) yield items;
    token = next_page_token;
  } while (token !== '');
}

const found = async <T>(ask: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof DomainError && error.code === 'not_found') return undefined;
    throw error;
  }
};

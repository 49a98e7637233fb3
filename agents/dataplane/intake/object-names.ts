import type { RouterServiceService } from '#proto/weft/topology/v1/router.ts';
import type { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import type { ObjectNames, PortName } from '../explain/host-facts.ts';
import type { ObjectRef } from '../explain/thing.ts';

const ANSWER_MS = 2_000;
const PAGE = 1_000;

/** What topology calls the objects that are on a host. */
export class TopologyNames {
  readonly #topology: RpcClient<typeof TopologyServiceService>;
  readonly #routers: RpcClient<typeof RouterServiceService>;
  readonly #hostId: string;

  constructor(
    topology: RpcClient<typeof TopologyServiceService>,
    routers: RpcClient<typeof RouterServiceService>,
    hostId: string,
  ) {
    this.#topology = topology;
    this.#routers = routers;
    this.#hostId = hostId;
  }

  /** The ports that are bound to the host, and these objects. Never rejects: what was not answered has no name. */
  async read(objects: readonly ObjectRef[], signal: AbortSignal): Promise<ObjectNames> {
    const ids = (...kinds: readonly ObjectRef['kind'][]): readonly string[] => [
      ...new Set(objects.filter(({ kind }) => kinds.includes(kind)).map(({ id }) => id)),
    ];
    const [ports, networks, routers] = await Promise.all([
      this.#ports(signal).catch(() => undefined),
      this.#named(ids('network', 'dhcp'), async (id, options) => this.#topology.getNetwork({ id }, options), signal),
      this.#named(ids('router'), async (id, options) => this.#routers.getRouter({ id }, options), signal),
    ]);
    return { reached: ports !== undefined, ports: ports ?? new Map(), networks, routers };
  }

  async #ports(signal: AbortSignal): Promise<ReadonlyMap<string, PortName>> {
    const found = new Map<string, PortName>();
    for (let page_token = ''; ;) {
      const request = { page_size: PAGE, page_token, network_id: '', binding_host_id: this.#hostId, name: '' };
      const { ports, next_page_token } = await this.#topology.listPorts(request, { signal, timeoutMs: ANSWER_MS });
      for (const port of ports) {
        found.set(port.id, {
          name: port.name,
          networkId: port.network_id,
          mac: port.mac_address,
          ips: port.fixed_ips.map(({ ip_address }) => ip_address),
          deviceId: port.device_id,
          deviceOwner: port.device_owner,
        });
      }
      if (next_page_token === '') return found;
      page_token = next_page_token;
    }
  }

  async #named(
    ids: readonly string[],
    get: (id: string, options: { signal: AbortSignal; timeoutMs: number }) => Promise<{ readonly name: string }>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const names = await Promise.all(
      ids.map(async (id) =>
        get(id, { signal, timeoutMs: ANSWER_MS }).then(
          ({ name }) => [id, name] as const,
          () => undefined,
        ),
      ),
    );
    return new Map(names.filter((each) => each !== undefined));
  }
}

import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { MeshNetworks } from '../libvirt/mesh.ts';
import type { NetworkDirectory } from '../model/control-plane.ts';
import type { Dataplane } from '../model/host.ts';
import type { NetworkFacts } from '../model/intent.ts';
import { refusalOf, type HostLimits } from '../plan/refusal.ts';
import { networkFacts } from '../plan/segment.ts';
import type { Networks } from './networks.ts';

export interface PinnedNetworksTools {
  readonly networks: Networks;
  readonly directory: NetworkDirectory;
  readonly dataplane: Pick<Dataplane, 'name' | 'devicesOf' | 'refusal'>;
  readonly limits: HostLimits;
}

/** Networks that this host holds on somebody's word, also without ports. What it holds already needs no control plane. */
export class PinnedNetworks implements MeshNetworks {
  readonly #tools: PinnedNetworksTools;

  constructor(tools: PinnedNetworksTools) {
    this.#tools = tools;
  }

  get openvswitch(): boolean {
    return this.#tools.dataplane.name === 'ovs';
  }

  pin(networkId: Uuid): void {
    this.#tools.networks.pin(networkId);
  }

  async bridgeOf(networkId: Uuid, signal: AbortSignal): Promise<string> {
    return this.#tools.dataplane.devicesOf(await this.#facts(networkId, signal)).bridge;
  }

  mtuOf(networkId: Uuid): number | undefined {
    return this.#tools.networks.get(networkId)?.table.mtu;
  }

  async hold(networkId: Uuid, signal: AbortSignal): Promise<void> {
    const { networks } = this.#tools;
    const isHeld = networks.get(networkId) !== undefined;
    const facts = await this.#facts(networkId, signal);
    networks.pin(networkId);
    const worker = await networks.hold(facts);
    if (!isHeld) await worker.audit('request');
  }

  async release(networkId: Uuid): Promise<void> {
    await this.#tools.networks.unpin(networkId);
  }

  async #facts(networkId: Uuid, signal: AbortSignal): Promise<NetworkFacts> {
    const { networks, directory, limits, dataplane } = this.#tools;
    const held = networks.get(networkId)?.table;
    if (held !== undefined) return held;
    const network = await directory.network(networkId, signal);
    const why =
      refusalOf(network, limits) ?? (await dataplane.refusal?.(networkFacts(networkId, network, limits), signal));
    if (why !== undefined) {
      throw new DomainError('precondition', 'NETWORK_REFUSED', `network ${networkId} cannot be on this host: ${why}`, {
        details: { network: networkId },
      });
    }
    return networkFacts(networkId, network, limits);
  }
}

import type { Uuid } from '#platform/net/names.ts';
import type { Subnet } from '../domain/subnet.ts';
import type { Changes } from './changes.ts';
import type { Ipam } from './ipam.ts';

const NONE: readonly Subnet[] = [];

/** What this process knows of IPAM's subnets, as of its last look at them. */
export class SubnetBook {
  readonly #ipam: Pick<Ipam, 'listSubnets'>;
  readonly #changes: Changes;
  #byNetwork: ReadonlyMap<Uuid, readonly Subnet[]> = new Map();
  #known = false;

  constructor(ipam: Pick<Ipam, 'listSubnets'>, changes: Changes) {
    this.#ipam = ipam;
    this.#changes = changes;
  }

  /** Whether it has looked at all. */
  get isKnown(): boolean {
    return this.#known;
  }

  /** Looks at all subnets unless it has already. Throws `unavailable`. */
  async ensureKnown(signal: AbortSignal): Promise<void> {
    if (!this.#known) await this.lookAtAll(signal);
  }

  /** In id order. */
  of(networkId: Uuid): readonly Subnet[] {
    return this.#byNetwork.get(networkId) ?? NONE;
  }

  /** Networks that have subnets. */
  networks(): readonly Uuid[] {
    return [...this.#byNetwork.keys()];
  }

  /** Looks at a network's subnets. Throws `unavailable`. */
  async look(networkId: Uuid, signal: AbortSignal): Promise<void> {
    const subnets = await this.#ipam.listSubnets(networkId, signal);
    if (isSame(subnets, this.of(networkId))) return;
    const next = new Map(this.#byNetwork);
    if (subnets.length === 0) next.delete(networkId);
    else next.set(networkId, subnets);
    this.#byNetwork = next;
    this.#changes.tell({ kind: 'subnets', networkId });
  }

  /** Looks at all subnets. Throws `unavailable`. */
  async lookAtAll(signal: AbortSignal): Promise<void> {
    const subnets = await this.#ipam.listSubnets(undefined, signal);
    const before = this.#byNetwork;
    const next = Map.groupBy(subnets, ({ networkId }) => networkId);
    this.#byNetwork = next;
    this.#known = true;
    for (const networkId of new Set([...before.keys(), ...next.keys()])) {
      if (!isSame(before.get(networkId) ?? NONE, next.get(networkId) ?? NONE)) {
        this.#changes.tell({ kind: 'subnets', networkId });
      }
    }
  }
}

const isSame = (some: readonly Subnet[], others: readonly Subnet[]): boolean =>
  some.length === others.length &&
  some.every(({ id, revision }, at) => others[at]?.id === id && others[at].revision === revision);

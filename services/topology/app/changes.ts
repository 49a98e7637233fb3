import type { HostId, ResourceName, Uuid } from '#platform/net/names.ts';

/** Something of which another state than before may be found now. */
export type Touched =
  | { readonly kind: 'host'; readonly id: HostId }
  | { readonly kind: 'network'; readonly id: Uuid }
  | {
      readonly kind: 'port';
      readonly id: Uuid;
      readonly networkId: Uuid;
      readonly hostId: HostId | undefined;
      readonly deviceOwner: ResourceName;
      readonly deviceId: ResourceName;
    }
  | { readonly kind: 'router'; readonly id: Uuid; readonly hostId: HostId | undefined }
  | { readonly kind: 'floating_ip'; readonly id: Uuid; readonly routerId: Uuid | undefined }
  /** Subnets of a network, as ipam says: this process has not looked yet. */
  | { readonly kind: 'ipam'; readonly networkId: Uuid }
  /** Subnets of a network, as this process knows them. */
  | { readonly kind: 'subnets'; readonly networkId: Uuid }
  /** Words of what changed may have been missed. */
  | { readonly kind: 'everything' };

/** Must not throw. */
export type ChangeListener = (touched: Touched) => void;

/** Tells those of this process who look when something changes that something has. */
export class Changes {
  readonly #listeners = new Set<ChangeListener>();

  /** Disposing ends it. */
  listen(listener: ChangeListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  tell(touched: Touched): void {
    for (const listener of this.#listeners) listener(touched);
  }
}

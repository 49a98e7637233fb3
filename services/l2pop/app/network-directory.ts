import type { Uuid } from '#platform/net/names.ts';
import type { Network } from '../domain/entry.ts';

/** Which networks are overlays, as far as this replica has heard; a network's type never changes. */
export class NetworkDirectory {
  readonly #overlay = new Map<Uuid, boolean>();

  /** Undefined when the network is not known yet. */
  isOverlay(id: Uuid): boolean | undefined {
    return this.#overlay.get(id);
  }

  learn({ id, overlay }: Network): void {
    this.#overlay.set(id, overlay);
  }

  forget(id: Uuid): void {
    this.#overlay.delete(id);
  }
}

import type { Uuid } from '#platform/net/names.ts';

/** Where a port's records are. */
export interface PortHint {
  readonly portId: Uuid;
  readonly networkId: Uuid;
}

const MOST = 20_000;

/**
 * What this process remembers of ports' ids, so that the records of a report can be fetched in one round trip instead of
 * three. Only ever a hint about what to fetch early: what it says is looked up and checked all the same.
 */
export class PortHints {
  readonly #byPrefix = new Map<string, PortHint>();

  note(portId: Uuid, networkId: Uuid): void {
    const prefix = prefixOf(portId);
    const known = this.#byPrefix.get(prefix);
    if (known?.portId === portId) return;
    if (this.#byPrefix.size >= MOST) {
      // The oldest: a Map remembers the order of insertion.
      for (const [oldest] of this.#byPrefix) {
        this.#byPrefix.delete(oldest);
        break;
      }
    }
    this.#byPrefix.set(prefix, { portId, networkId });
  }

  byPrefix(prefix: string): PortHint | undefined {
    return this.#byPrefix.get(prefix);
  }

  byId(portId: Uuid): PortHint | undefined {
    const hint = this.#byPrefix.get(prefixOf(portId));
    return hint?.portId === portId ? hint : undefined;
  }
}

/** What a tap's name has of its port's id. */
export const prefixOf = (portId: Uuid): string => portId.slice(0, 11);

import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { PortView } from './intent.ts';

/**
 * Which ports claim an address, kept up to date by what changes: one address may be claimed by several ports, and by one
 * port both in l2pop's table and as plugged here.
 */
export class ClaimIndex {
  /** The usual single claimant is kept without a set around it. */
  readonly #ports = new Map<string, string | Set<string>>();

  /** A port is held as `after`, no longer as `before`. */
  update(portId: string, before: PortView, after: PortView): void {
    const old = addressesOf(before);
    const now = addressesOf(after);
    for (const address of old) if (!now.has(address)) this.#remove(address, portId);
    for (const address of now) if (!old.has(address)) this.#add(address, portId);
  }

  claimants(address: MacAddress | IpAddress): Iterable<string> {
    const found = this.#ports.get(address);
    if (found === undefined) return [];
    return typeof found === 'string' ? [found] : found;
  }

  #add(address: string, portId: string): void {
    const found = this.#ports.get(address);
    if (found === undefined) this.#ports.set(address, portId);
    else if (typeof found === 'string') this.#ports.set(address, new Set([found, portId]));
    else found.add(portId);
  }

  #remove(address: string, portId: string): void {
    const found = this.#ports.get(address);
    if (found === portId) this.#ports.delete(address);
    if (typeof found !== 'object') return;
    found.delete(portId);
    if (found.size > 1) return;
    const [last] = found;
    if (last === undefined) this.#ports.delete(address);
    else this.#ports.set(address, last);
  }
}

const addressesOf = ({ entry, local }: PortView): ReadonlySet<string> =>
  new Set([
    ...(entry === undefined ? [] : [entry.mac, ...entry.ips]),
    ...(local === undefined ? [] : [local.mac, ...local.ips]),
  ]);

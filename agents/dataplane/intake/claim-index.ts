import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { PortView } from '../model/intent.ts';

type Address = MacAddress | IpAddress;

/** Which ports claim an address. Nearly always one does, so one port costs one reference, not a set. */
export class ClaimIndex {
  readonly #claimants = new Map<Address, string | Set<string>>();

  claimants(address: Address): Iterable<string> {
    const found = this.#claimants.get(address);
    if (found === undefined) return [];
    return typeof found === 'string' ? [found] : found;
  }

  /** A port's claims changed from those of one view to those of another. */
  move(portId: string, before: PortView, after: PortView): void {
    const kept = addressesOf(after);
    for (const address of addressesOf(before)) if (!kept.has(address)) this.#remove(address, portId);
    for (const address of kept) this.#add(address, portId);
  }

  #add(address: Address, portId: string): void {
    const found = this.#claimants.get(address);
    if (found === undefined) this.#claimants.set(address, portId);
    else if (typeof found !== 'string') found.add(portId);
    else if (found !== portId) this.#claimants.set(address, new Set([found, portId]));
  }

  #remove(address: Address, portId: string): void {
    const found = this.#claimants.get(address);
    if (found === portId) this.#claimants.delete(address);
    else if (found !== undefined && typeof found !== 'string') {
      found.delete(portId);
      if (found.size === 0) this.#claimants.delete(address);
    }
  }
}

const addressesOf = ({ entry, local }: PortView): ReadonlySet<Address> => {
  const addresses = new Set<Address>();
  for (const each of [entry, local]) {
    if (each === undefined) continue;
    addresses.add(each.mac);
    for (const ip of each.ips) addresses.add(ip);
  }
  return addresses;
};

import type { InterfaceAddress, InterfaceRoute } from '../model/interface.ts';

interface Own {
  readonly addresses: Set<string>;
  readonly routes: Set<string>;
}

/** The host's own addresses and routes, by device, as a kernel keeps them: with its last address a device loses its routes. */
export class FakeAddresses {
  readonly #own = new Map<string, Own>();

  /** Gives a device an address, and a route by it. */
  add(device: string, address: string, route: string): void {
    this.#of(device).addresses.add(address);
    this.#of(device).routes.add(route);
  }

  on(device: string): { readonly addresses: readonly string[]; readonly routes: readonly string[] } {
    const { addresses, routes } = this.#of(device);
    return { addresses: [...addresses], routes: [...routes] };
  }

  /** As a driver reads them. */
  addressesOf(device: string): readonly InterfaceAddress[] {
    return this.on(device).addresses.map((address) => ({ address, words: [address, 'scope', 'global'] }));
  }

  routesOf(device: string): readonly InterfaceRoute[] {
    return this.on(device).routes.map((route) => ({ words: route.split(' ') }));
  }

  /** `ip address …` on a device that there is; the tool's words when it fails. */
  address(verb: string, words: readonly string[]): string | undefined {
    const [address = ''] = words;
    const { addresses, routes } = this.#of(words.at(-1) ?? '');
    if (verb === 'add') addresses.add(address);
    else if (!addresses.delete(address)) return 'RTNETLINK answers: Cannot assign requested address';
    // With the last address go the routes (fib_disable_ip).
    if (addresses.size === 0) routes.clear();
    return undefined;
  }

  /** `ip route replace …`. */
  route(words: readonly string[]): string | undefined {
    const { addresses, routes } = this.#of(words.at(-1) ?? '');
    if (addresses.size === 0) return 'RTNETLINK answers: Network is unreachable';
    routes.add(words.slice(0, -2).join(' '));
    return undefined;
  }

  /** The device is gone, and what was on it. */
  drop(device: string): void {
    this.#own.delete(device);
  }

  #of(device: string): Own {
    const known = this.#own.get(device) ?? { addresses: new Set(), routes: new Set() };
    this.#own.set(device, known);
    return known;
  }
}

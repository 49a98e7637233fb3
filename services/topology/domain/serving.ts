import type { HostId, Uuid } from '#platform/net/names.ts';
import { dhcpPortId } from './device-owner.ts';
import type { Host } from './host.ts';
import { isBeingDeleted } from './lifetime.ts';
import type { Network } from './network.ts';

/** Whether a host can serve DHCP and routers now: its lease runs, it has the role, nobody is deleting it. */
export const serves = (host: Host, now: number): boolean =>
  host.alive && host.roles.includes('network') && !isBeingDeleted(host, now);

/** Whether frames of the network get to the host. */
export const reaches = (host: Host, { type, physicalNetwork }: Pick<Network, 'type' | 'physicalNetwork'>): boolean =>
  // Keys of the mapping are names of physical networks; the record forgets that.
  type === 'vxlan' || Object.hasOwn(host.bridgeMappings, physicalNetwork);

/** How much hosts serve, so that the next goes to the one with the least. */
export class Loads {
  readonly #loads = new Map<HostId, number>();

  /** One more. */
  add(host: HostId | undefined): void {
    if (host !== undefined) this.#loads.set(host, (this.#loads.get(host) ?? 0) + 1);
  }

  /** The one with the least of `hosts`, the first by id of several; undefined of none. */
  least(hosts: readonly HostId[]): HostId | undefined {
    return hosts.reduce<HostId | undefined>((best, host) => {
      if (best === undefined) return host;
      const [a, b] = [this.#loads.get(host) ?? 0, this.#loads.get(best) ?? 0];
      return a < b || (a === b && host < best) ? host : best;
    }, undefined);
  }
}

/** A port for DHCP as it is. */
export interface PlacedPort {
  readonly id: Uuid;
  readonly hostId: HostId | undefined;
}

/** What is to be done about a network's DHCP. */
export type DhcpStep =
  | { readonly kind: 'create'; readonly ordinal: number; readonly on: HostId }
  | { readonly kind: 'move'; readonly id: Uuid; readonly from: HostId | undefined; readonly to: HostId }
  | { readonly kind: 'delete'; readonly id: Uuid };

/**
 * The steps to `count` ports of a network on different hosts of `hosts`. A port stays where it is served; where no host is
 * left for it, it stays as it is. `loads` is told of what comes to a host.
 */
export const dhcpSteps = (
  networkId: Uuid,
  {
    count,
    ports,
    hosts,
  }: { readonly count: number; readonly ports: readonly PlacedPort[]; readonly hosts: readonly HostId[] },
  loads: Loads,
): readonly DhcpStep[] => {
  const steps: DhcpStep[] = [];
  const free = new Set(hosts);
  const place = (): HostId | undefined => {
    const host = loads.least([...free]);
    if (host === undefined) return undefined;
    free.delete(host);
    loads.add(host);
    return host;
  };
  const slots = Array.from({ length: count }, (_, ordinal) => dhcpPortId(networkId, ordinal));
  const kept = ports.filter(({ id }) => slots.includes(id)).sort((a, b) => slots.indexOf(a.id) - slots.indexOf(b.id));
  for (const { id } of ports) if (!slots.includes(id)) steps.push({ kind: 'delete', id });
  // A host serves one of them: whoever comes second in the order has to go.
  const homeless = kept.filter(({ hostId }) => hostId === undefined || !free.delete(hostId));
  for (const { id, hostId } of homeless) {
    const to = place();
    if (to !== undefined) steps.push({ kind: 'move', id, from: hostId, to });
    else if (hostId !== undefined && hosts.includes(hostId)) steps.push({ kind: 'delete', id });
  }
  for (const [ordinal, id] of slots.entries()) {
    if (kept.some((port) => port.id === id)) continue;
    const on = place();
    if (on === undefined) break;
    steps.push({ kind: 'create', ordinal, on });
  }
  return steps;
};

import type { HostLink, ObservedHost } from '../model/observed.ts';

/** Two bridges between which frames pass. */
export interface Connection {
  readonly a: string;
  readonly b: string;
  /** The devices and ports it is made of, from `a` to `b`. */
  readonly devices: readonly string[];
}

/**
 * All direct connections between bridges of this host, of either kind: veth pairs, patch ports, a bridge's own device or
 * a VLAN on it that is a port of another bridge, internal ports of Open vSwitch in a Linux bridge. Bridges are known by
 * name: the device of a bridge of Open vSwitch bears its name, so no two can share one. What passes outside of this host or
 * through another network namespace cannot be seen.
 */
export const connectionsOf = (observed: ObservedHost): readonly Connection[] => {
  const connections: Connection[] = [];
  const add = (a: string | undefined, b: string | undefined, devices: readonly string[]): void => {
    if (a !== undefined && b !== undefined && a !== b) connections.push({ a, b, devices });
  };
  for (const link of observed.links.values()) {
    const { name, kind } = link;
    if (kind === 'veth') {
      const other = link.link;
      // Each pair is met at both of its ends.
      if (other !== undefined && name < other) add(homeOf(observed, name), homeOf(observed, other), [name, other]);
    } else {
      add(behind(observed, link), homeOf(observed, name, 'of the kernel'), [name]);
    }
  }
  for (const port of observed.ports.values()) {
    const other = port.type === 'patch' ? observed.ports.get(port.options.get('peer') ?? '') : undefined;
    if (other?.type === 'patch' && port.name < other.name) add(port.bridge, other.bridge, [port.name, other.name]);
  }
  return connections;
};

/** The bridges and connections from one bridge to the other, as one phrase; undefined when they are not connected. */
export const pathBetween = (connections: readonly Connection[], from: string, to: string): string | undefined => {
  if (from === to) return from;
  const cameBy = new Map<string, { readonly from: string; readonly through: string }>();
  const queue = [from];
  for (let at = queue.shift(); at !== undefined && !cameBy.has(to); at = queue.shift()) {
    for (const { a, b, devices } of connections) {
      const next = a === at ? b : b === at ? a : undefined;
      if (next === undefined || next === from || cameBy.has(next)) continue;
      cameBy.set(next, { from: at, through: (a === at ? devices : devices.toReversed()).join('/') });
      queue.push(next);
    }
  }
  const words = [to];
  for (let step = cameBy.get(to); step !== undefined; step = cameBy.get(step.from))
    words.unshift(step.from, step.through);
  return words.length === 1 ? undefined : words.join(' - ');
};

/** The bridge that a device is a port of: of Open vSwitch, else of the kernel, perhaps through a bond. */
const homeOf = (observed: ObservedHost, name: string, which: 'any' | 'of the kernel' = 'any'): string | undefined => {
  const port = observed.ports.get(name);
  // The device of a bridge of Open vSwitch, or an internal port of it, is inside of that bridge by nature.
  if (port !== undefined && (which === 'any' || port.type !== 'internal')) return port.bridge;
  const { master } = observed.links.get(name) ?? {};
  if (master === undefined) return undefined;
  if (observed.links.get(master)?.kind === 'bridge') return master;
  // A bond, say. In the kernel's datapath all ports have ovs-system as master, which leads nowhere.
  return observed.links.has(master) ? homeOf(observed, master) : undefined;
};

/** The bridge on whose inside a device stands: it is the bridge's own device, an internal port, or a VLAN on one. */
const behind = (observed: ObservedHost, link: HostLink): string | undefined => {
  let at: HostLink | undefined = link;
  // As deep as devices may be stacked in the kernel (MAX_NEST_DEV).
  for (let depth = 0; at !== undefined && depth < 8; depth += 1) {
    if (at.kind === 'bridge') return at.name;
    const port = observed.ports.get(at.name);
    if (port?.type === 'internal') return port.bridge;
    at = at.link === undefined || at.kind === 'veth' ? undefined : observed.links.get(at.link);
  }
  return undefined;
};

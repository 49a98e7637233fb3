import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type {
  ForwardingEntry,
  HostIdentity,
  LocalPort,
  NetworkChange,
  NetworkIntent,
  PortView,
  Vtep,
} from '../model/intent.ts';

/** Where frames for a port go, once what l2pop says and what is plugged here have been weighed. */
export interface Holding {
  readonly portId: string;
  readonly generation: bigint;
  readonly mac: MacAddress;
  readonly ips: readonly IpAddress[];
  readonly at: { readonly device: string } | { readonly vtep: Vtep };
}

/** Who holds each address of a network. */
export interface Claims {
  readonly macs: ReadonlyMap<MacAddress, Holding>;
  readonly ips: ReadonlyMap<IpAddress, Holding>;
}

/** Who held an address before a change and who holds it now. */
export interface Turn {
  readonly before?: Holding;
  readonly after?: Holding;
}

/** The addresses that a change touches. */
export interface ChangedClaims {
  readonly macs: ReadonlyMap<MacAddress, Turn>;
  readonly ips: ReadonlyMap<IpAddress, Turn>;
}

const isHere = (host: HostIdentity, vtep: Vtep): boolean =>
  vtep.hostId === host.hostId || vtep.address === host.vtep.address;

/**
 * A port that is plugged here and bound elsewhere is where the higher generation says; when they are equal, here. One that
 * is bound here and not plugged is nowhere yet.
 */
const holdingOf = (host: HostIdentity, portId: string, view: PortView): Holding | undefined => {
  const { entry, local } = view;
  if (entry === undefined || isHere(host, entry.vtep)) return local && localHolding(portId, local);
  if (local === undefined || entry.generation > local.generation) return remoteHolding(portId, entry);
  return localHolding(portId, local);
};

const localHolding = (portId: string, local: LocalPort): Holding => ({
  portId,
  generation: local.generation,
  mac: local.mac,
  ips: local.ips,
  at: { device: local.device },
});

const remoteHolding = (portId: string, entry: ForwardingEntry): Holding => ({
  portId,
  generation: entry.generation,
  mac: entry.mac,
  ips: entry.ips,
  at: { vtep: entry.vtep },
});

/** Of two ports that claim one address: the one bound later, then the lower id, so that all hosts choose alike. */
const stronger = (a: Holding | undefined, b: Holding): Holding => {
  if (a === undefined || b.generation > a.generation) return b;
  return b.generation === a.generation && b.portId < a.portId ? b : a;
};

/** Who holds each address of the network; cost in proportion to the network. */
export const claimsOf = (host: HostIdentity, intent: NetworkIntent): Claims => {
  const macs = new Map<MacAddress, Holding>();
  const ips = new Map<IpAddress, Holding>();
  const claim = (holding: Holding | undefined): void => {
    if (holding === undefined) return;
    macs.set(holding.mac, stronger(macs.get(holding.mac), holding));
    for (const ip of holding.ips) ips.set(ip, stronger(ips.get(ip), holding));
  };
  for (const portId of intent.entries.keys()) claim(holdingOf(host, portId, viewOf(intent, portId)));
  for (const portId of intent.ports.keys()) {
    if (!intent.entries.has(portId)) claim(holdingOf(host, portId, viewOf(intent, portId)));
  }
  return { macs, ips };
};

/** What a change does to who holds what: also to other ports that claim an address of a changed one. */
export const changedClaims = (host: HostIdentity, intent: NetworkIntent, change: NetworkChange): ChangedClaims => {
  const before = new Map<string, Holding>();
  const after = new Map<string, Holding>();
  for (const [portId, views] of change.ports) {
    const old = holdingOf(host, portId, views.before);
    const now = holdingOf(host, portId, views.after);
    if (old !== undefined) before.set(portId, old);
    if (now !== undefined) after.set(portId, now);
  }
  const macs = new Map<MacAddress, { before?: Holding; after?: Holding }>();
  const ips = new Map<IpAddress, { before?: Holding; after?: Holding }>();
  for (const holdings of [before, after]) {
    for (const { mac, ips: addresses } of holdings.values()) {
      if (!macs.has(mac)) macs.set(mac, {});
      for (const ip of addresses) if (!ips.has(ip)) ips.set(ip, {});
    }
  }
  const claim = (holding: Holding, time: 'before' | 'after'): void => {
    const mac = macs.get(holding.mac);
    if (mac !== undefined) mac[time] = stronger(mac[time], holding);
    for (const address of holding.ips) {
      const ip = ips.get(address);
      if (ip !== undefined) ip[time] = stronger(ip[time], holding);
    }
  };
  for (const holding of before.values()) claim(holding, 'before');
  for (const holding of after.values()) claim(holding, 'after');
  for (const portId of otherClaimants(intent, change, macs, ips)) {
    const holding = holdingOf(host, portId, viewOf(intent, portId));
    if (holding === undefined) continue;
    claim(holding, 'before');
    claim(holding, 'after');
  }
  return { macs, ips };
};

/** Ports that the change leaves alone and that may claim one of these addresses. */
const otherClaimants = (
  intent: NetworkIntent,
  change: NetworkChange,
  macs: ReadonlyMap<MacAddress, Turn>,
  ips: ReadonlyMap<IpAddress, Turn>,
): ReadonlySet<string> => {
  const found = new Set<string>();
  const ask = (portId: string): void => {
    if (!change.ports.has(portId)) found.add(portId);
  };
  if (intent.claimants !== undefined) {
    for (const mac of macs.keys()) for (const portId of intent.claimants(mac)) ask(portId);
    for (const ip of ips.keys()) for (const portId of intent.claimants(ip)) ask(portId);
    return found;
  }
  const claims = ({ mac, ips: addresses }: ForwardingEntry | LocalPort): boolean =>
    macs.has(mac) || addresses.some((ip) => ips.has(ip));
  for (const [portId, entry] of intent.entries) if (claims(entry)) ask(portId);
  for (const [portId, port] of intent.ports) if (claims(port)) ask(portId);
  return found;
};

const viewOf = (intent: NetworkIntent, portId: string): PortView => {
  const entry = intent.entries.get(portId);
  const local = intent.ports.get(portId);
  return { ...(entry && { entry }), ...(local && { local }) };
};

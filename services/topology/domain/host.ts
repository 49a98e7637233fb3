import type { IpAddress } from '#platform/net/ip-address.ts';
import type { DeviceName, HostId, Labels, PhysicalNetwork } from '#platform/net/names.ts';
import type { Mtu } from '#platform/net/mtu.ts';
import type { UdpPort } from '#platform/net/udp-port.ts';
import type { Lifetime, Markable } from './lifetime.ts';

/** Which dataplane a host programs. */
export type Driver = 'linuxbridge' | 'ovs';

/** What a host does besides running guests. `network`: it serves DHCP and routers. */
export type HostRole = 'network';

/** By physical network, the interface (Linux bridges) or the bridge (Open vSwitch) that leads to it; keys in order. */
export type BridgeMappings = Readonly<Record<PhysicalNetwork, DeviceName>>;

/** What is said of a host by its operator or its agent. */
export interface HostSpec {
  readonly id: HostId;
  readonly vtepAddress: IpAddress;
  readonly udpPort: UdpPort;
  readonly driver: Driver;
  /** Absent: not known yet. */
  readonly underlayMtu?: Mtu;
  readonly labels: Labels;
  readonly agentVersion: string;
  readonly roles: readonly HostRole[];
  readonly bridgeMappings: BridgeMappings;
}

/** A hypervisor or container host. */
export interface Host extends HostSpec, Lifetime, Markable {
  /** Whether its lease runs. */
  readonly alive: boolean;
}

/** Until when a host counts as alive: kept apart from the host, so that renewing it changes nothing others watch. */
export interface HostLease {
  /** The host. */
  readonly id: HostId;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** What its agent asked for, in milliseconds. */
  readonly durationMs: number;
}

/**
 * Whether a host had its time and did not renew. `servingSince`: from when on it could have; after a time in which nobody
 * listened, every host gets the length of its lease to be heard again. Both in milliseconds since 1970.
 */
export const hasEnded = ({ expiresAt, durationMs }: HostLease, now: number, servingSince: number): boolean =>
  now >= Math.max(expiresAt, servingSince + durationMs);

/** Where a host's tunnels end. */
export interface Vtep {
  readonly hostId: HostId;
  readonly address: IpAddress;
  readonly udpPort: UdpPort;
}

export const vtepOf = (host: HostSpec): Vtep => ({ hostId: host.id, address: host.vtepAddress, udpPort: host.udpPort });

/** A host as its agent registers it: labels over those kept, alive. The very same value when that says nothing new. */
export const registered = (kept: Host, spec: HostSpec): Host => {
  const labels = Object.entries(spec.labels);
  const same =
    kept.alive &&
    kept.vtepAddress === spec.vtepAddress &&
    kept.udpPort === spec.udpPort &&
    kept.driver === spec.driver &&
    kept.underlayMtu === spec.underlayMtu &&
    kept.agentVersion === spec.agentVersion &&
    sameRoles(kept.roles, spec.roles) &&
    sameMappings(kept.bridgeMappings, spec.bridgeMappings) &&
    labels.every(([key, value]) => kept.labels[key] === value);
  if (same) return kept;
  const { underlayMtu: _mtu, ...rest } = kept;
  return { ...rest, ...spec, labels: mergedLabels(kept.labels, spec.labels), alive: true };
};

const sameRoles = (a: readonly HostRole[], b: readonly HostRole[]): boolean =>
  a.length === b.length && a.every((role) => b.includes(role));

const sameMappings = (a: BridgeMappings, b: BridgeMappings): boolean => {
  const [kept, given] = [Object.entries(a), Object.entries(b)];
  const devices = new Map(given);
  return kept.length === given.length && kept.every(([name, device]) => devices.get(name) === device);
};

/** In key order, as `parseLabels` leaves them. */
const mergedLabels = (kept: Labels, given: Labels): Labels =>
  Object.fromEntries(Object.entries({ ...kept, ...given }).sort(([a], [b]) => (a < b ? -1 : 1))) as Readonly<
    Record<string, string>
  > as Labels;

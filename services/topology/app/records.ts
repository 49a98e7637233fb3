import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Collection } from '#platform/store/store.ts';
import type { Errand } from '../domain/errand.ts';
import type { Host, HostLease } from '../domain/host.ts';
import type { Network } from '../domain/network.ts';
import type { Port } from '../domain/port.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import type { Router } from '../domain/router.ts';

/** Who holds a name that only one may have. */
export interface Reservation {
  readonly holder: string;
}

/** The kinds of records of this service. */
export interface Records {
  /** By host id. */
  readonly hosts: Collection<Host>;
  /** By host id. */
  readonly leases: Collection<HostLease>;
  /** By network id; indexed as {@link networksNamed}. */
  readonly networks: Collection<Network>;
  /** By port id; indexed as {@link portIndex}. */
  readonly ports: Collection<Port>;
  /** By router id; indexed as {@link routerIndex}. */
  readonly routers: Collection<Router>;
  /** By floating IP id; indexed as {@link floatingIpIndex}. */
  readonly floatingIps: Collection<FloatingIp>;
  /** By {@link reservationOf}. */
  readonly reservations: Collection<Reservation>;
  /** By holderKey or restatementKey. */
  readonly errands: Collection<Errand>;
}

/** Index keys of ports. */
export const portIndex = {
  ofNetwork: (id: Uuid) => `network:${id}`,
  boundTo: (host: HostId) => `host:${host}`,
  /** Ports of which `host` has reported a device that stands. */
  claimedBy: (host: HostId) => `claim:${host}`,
  named: (name: string) => `name:${name}`,
  /** `prefix`: the first 11 characters of a port id, which is what its device's name has of it. */
  ofTap: (prefix: string) => `tap:${prefix}`,
  ofMac: (network: Uuid, mac: MacAddress) => `mac:${network}:${mac}`,
  /** All bytes of the MAC address but the first, which libvirt sets to fe on the host's side of a tap. */
  ofMacTail: (network: Uuid, mac: MacAddress) => `mac5:${network}:${mac.slice(3)}`,
  /** Of ports that topology makes itself: all of one owner, e.g. `network:dhcp`. */
  ownedBy: (deviceOwner: string) => `owner:${deviceOwner}`,
  /** Of ports that topology makes itself: those of one router, or of one network's DHCP. */
  ofDevice: (deviceId: string) => `device:${deviceId}`,
} as const;

/** Index key of networks. */
export const networksNamed = (name: string): string => `name:${name}`;

/** Index keys of routers. */
export const routerIndex = {
  named: (name: string) => `name:${name}`,
  on: (host: HostId) => `host:${host}`,
  /** With an interface on that subnet. */
  inside: (subnet: Uuid) => `subnet:${subnet}`,
  /** With their gateway on that network. */
  outside: (network: Uuid) => `gateway:${network}`,
} as const;

/** Index keys of floating IPs. */
export const floatingIpIndex = {
  ofNetwork: (network: Uuid) => `network:${network}`,
  /** That lead to that port. */
  to: (port: Uuid) => `port:${port}`,
  /** That lead through that router. */
  through: (router: Uuid) => `router:${router}`,
} as const;

/** Names that only one may have. */
export const reservationOf = {
  vtep: (address: IpAddress) => `vtep:${address}`,
  /** Two flat networks on one physical network would be one. */
  flat: (physicalNetwork: string) => `flat:${physicalNetwork}`,
  /** Two floating IPs for one address inside: which of them would its packets leave as? */
  floating: (port: Uuid, address: IpAddress) => `floating:${port}:${address}`,
} as const;

import { ipVersion } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { HostIdentity, NetworkIntent } from '../model/intent.ts';
import type { Destination, Rows } from '../model/rows.ts';
import { claimsOf } from './claims.ts';
import type { Claims, Holding } from './claims.ts';

/** Below this the kernel takes IPv6 off a device (RFC 8200 §5), and its neighbours with it. */
const IPV6_MIN_MTU = 1_280;

/** The VTEP where frames for the holder go, undefined when it is on this host or there is none. */
export const destinationOf = (holding: Holding | undefined): Destination | undefined =>
  holding !== undefined && 'vtep' in holding.at
    ? { address: holding.at.vtep.address, udpPort: holding.at.vtep.udpPort }
    : undefined;

/** The bridge port where frames for the holder go; for what is elsewhere the network's tunnel, where it has one of its own. */
export const bridgePortOf = (holding: Holding | undefined, tunnel: string | undefined): string | undefined => {
  if (holding === undefined) return undefined;
  return 'device' in holding.at ? holding.at.device : tunnel;
};

/**
 * The address that the VXLAN device answers ARP and ND with. Only for what is elsewhere: a guest here answers for itself,
 * and a second answer would make it believe that its address is taken.
 */
export const neighbourOf = (ip: IpAddress, holding: Holding | undefined, mtu: number): MacAddress | undefined => {
  if (destinationOf(holding) === undefined || (ipVersion(ip) === 6 && mtu < IPV6_MIN_MTU)) return undefined;
  return holding?.mac;
};

/** Where one address of the flood list is reached, undefined when it is not in it. */
export const floodDestination = (
  host: HostIdentity,
  intent: NetworkIntent,
  address: IpAddress,
): Destination | undefined => {
  if (address === host.vtep.address) return undefined;
  const vtep = intent.remoteVteps.get(address);
  if (vtep !== undefined) return { address, udpPort: vtep.udpPort };
  return intent.manualFlood.has(address) ? { address, udpPort: host.vtep.udpPort } : undefined;
};

const floodOf = (host: HostIdentity, intent: NetworkIntent): ReadonlyMap<IpAddress, Destination> => {
  const flood = new Map<IpAddress, Destination>();
  for (const address of [...intent.remoteVteps.keys(), ...intent.manualFlood]) {
    const destination = floodDestination(host, intent, address);
    if (destination !== undefined) flood.set(address, destination);
  }
  return flood;
};

/** The rows that a network needs on this host. `tunnel` is the bridge port that leads to all other hosts, where there is one. */
export const wantedRows = (
  host: HostIdentity,
  intent: NetworkIntent,
  tunnel: string | undefined,
  claims: Claims = claimsOf(host, intent),
): Rows => {
  const fdb = new Map<MacAddress, Destination>();
  const bridgeFdb = new Map<MacAddress, string>();
  const neighbours = new Map<IpAddress, MacAddress>();
  for (const [mac, holding] of claims.macs) {
    const destination = destinationOf(holding);
    const bridgePort = bridgePortOf(holding, tunnel);
    if (destination !== undefined) fdb.set(mac, destination);
    if (bridgePort !== undefined) bridgeFdb.set(mac, bridgePort);
  }
  for (const [ip, holding] of claims.ips) {
    const mac = neighbourOf(ip, holding, intent.mtu);
    if (mac !== undefined) neighbours.set(ip, mac);
  }
  return { fdb, bridgeFdb, neighbours, flood: floodOf(host, intent) };
};

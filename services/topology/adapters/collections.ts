import type { HostId } from '#platform/net/names.ts';
import type { Collection } from '#platform/store/store.ts';
import { prefixOf } from '../app/port-hints.ts';
import {
  floatingIpIndex,
  networksNamed,
  portIndex,
  routerIndex,
  type Records,
  type Reservation,
} from '../app/records.ts';
import { isServed } from '../domain/device-owner.ts';
import type { Errand } from '../domain/errand.ts';
import type { Host, HostLease } from '../domain/host.ts';
import type { Network } from '../domain/network.ts';
import type { FloatingIp } from '../domain/floating-ip.ts';
import type { Router } from '../domain/router.ts';
import type { Port } from '../domain/port.ts';

/** JSON of a value that has the member `mark`. It was validated before it was written; this tells records apart. */
const json = <T extends object>(name: string, mark: keyof T & string): Collection<T> => ({
  name,
  encode: (value) => JSON.stringify(value),
  decode: (text) => {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !(mark in value)) throw new TypeError(`not a record of ${name}`);
    return value as T;
  },
});

/** Records that an earlier version wrote lack what has been added since. */
const since = <T extends object>(collection: Collection<T>, added: Partial<T>): Collection<T> => ({
  ...collection,
  decode: (text) => ({ ...added, ...collection.decode(text) }),
});

const portIndexes = (port: Port): readonly string[] => {
  const { id, networkId, mac, name, binding, deviceOwner, deviceId } = port;
  return [
    portIndex.ofNetwork(networkId),
    portIndex.ofTap(prefixOf(id)),
    portIndex.ofMac(networkId, mac),
    portIndex.ofMacTail(networkId, mac),
    ...(name === '' ? [] : [portIndex.named(name)]),
    ...(isServed(deviceOwner) ? [portIndex.ownedBy(deviceOwner), portIndex.ofDevice(deviceId)] : []),
    ...(binding.hostId === undefined ? [] : [portIndex.boundTo(binding.hostId)]),
    // Keys of the record are host ids; Object.keys forgets that.
    ...(Object.keys(binding.claims) as HostId[]).map((host) => portIndex.claimedBy(host)),
  ];
};

const routerIndexes = ({ name, placement, interfaces, gateway }: Router): readonly string[] => [
  ...(name === '' ? [] : [routerIndex.named(name)]),
  ...(placement.hostId === undefined ? [] : [routerIndex.on(placement.hostId)]),
  ...interfaces.flatMap(({ subnets }) => subnets.map(({ id }) => routerIndex.inside(id))),
  ...(gateway === undefined ? [] : [routerIndex.outside(gateway.networkId)]),
];

const floatingIpIndexes = ({ floatingNetworkId, target }: FloatingIp): readonly string[] => [
  floatingIpIndex.ofNetwork(floatingNetworkId),
  ...(target === undefined ? [] : [floatingIpIndex.to(target.portId), floatingIpIndex.through(target.routerId)]),
];

/** How the records are kept. */
export const records: Records = {
  hosts: since(json<Host>('host', 'vtepAddress'), { roles: [], bridgeMappings: {} }),
  leases: json<HostLease>('lease', 'expiresAt'),
  networks: {
    ...since(json<Network>('network', 'segmentationId'), { shared: false, external: false }),
    indexes: ({ name }) => (name === '' ? [] : [networksNamed(name)]),
  },
  ports: { ...json<Port>('port', 'binding'), indexes: portIndexes },
  routers: { ...json<Router>('router', 'placement'), indexes: routerIndexes },
  floatingIps: { ...json<FloatingIp>('floating_ip', 'floatingAddress'), indexes: floatingIpIndexes },
  reservations: json<Reservation>('reservation', 'holder'),
  errands: json<Errand>('errand', 'token'),
};

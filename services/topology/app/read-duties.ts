import type { HostId, Uuid } from '#platform/net/names.ts';
import {
  dhcpServer,
  type Duty,
  dutyKey,
  isDhcpPort,
  portSecurity,
  routerInstance,
  type RouterInstance,
} from '../domain/duty.ts';
import type { Port } from '../domain/port.ts';
import { type Router, routerPorts } from '../domain/router.ts';
import type { Environment } from './environment.ts';
import { getAll, listAll } from './list-all.ts';
import { floatingIpIndex, portIndex, routerIndex } from './records.ts';
import type { SubnetBook } from './subnet-book.ts';

/** What duties are computed of. */
export interface DutySources extends Pick<Environment, 'store' | 'records'> {
  readonly subnets: Pick<SubnetBook, 'of'>;
  /** Domain that guests get. */
  readonly dnsDomain: string;
}

/** All duties of a host, by key. */
export const readDuties = async (
  sources: DutySources,
  hostId: HostId,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Duty>> => {
  const { store, records } = sources;
  const [ports, routers] = await Promise.all([
    listAll(store, records.ports, portIndex.boundTo(hostId), signal),
    listAll(store, records.routers, routerIndex.on(hostId), signal),
  ]);
  return await dutiesOf(sources, { ports, servers: ports.filter(isDhcpPort), routers }, signal);
};

/** What may be a duty of a host. */
export interface Suspects {
  /** Ports whose security it may be. */
  readonly security: ReadonlySet<Uuid>;
  /** Ports whose DHCP it may be. */
  readonly dhcp: ReadonlySet<Uuid>;
  readonly routers: ReadonlySet<Uuid>;
}

/** Those of some that are duties of the host. */
export const readSomeDuties = async (
  sources: DutySources,
  hostId: HostId,
  { security, dhcp, routers }: Suspects,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Duty>> => {
  const { store, records } = sources;
  const [ports, found] = await Promise.all([
    getAll(store, records.ports, [...security.union(dhcp)], signal),
    getAll(store, records.routers, [...routers], signal),
  ]);
  const here = ports.filter(({ binding }) => binding.hostId === hostId);
  return await dutiesOf(
    sources,
    {
      ports: here.filter(({ id }) => security.has(id)),
      servers: here.filter((port) => dhcp.has(port.id) && isDhcpPort(port)),
      routers: found.filter(({ placement }) => placement.hostId === hostId),
    },
    signal,
  );
};

interface Served {
  readonly ports: readonly Port[];
  readonly servers: readonly Port[];
  readonly routers: readonly Router[];
}

const dutiesOf = async (
  sources: DutySources,
  { ports, servers, routers }: Served,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Duty>> => {
  const duties: Duty[] = ports.map(portSecurity);
  for (const port of servers) duties.push(...(await dhcpDuty(sources, port, signal)));
  for (const router of routers) duties.push(await routerDuty(sources, router, signal));
  return new Map(duties.map((duty) => [dutyKey(duty), duty]));
};

const dhcpDuty = async (
  { store, records, subnets, dnsDomain }: DutySources,
  port: Port,
  signal: AbortSignal,
): Promise<readonly Duty[]> => {
  const [network, ports] = await Promise.all([
    store.get(records.networks, port.networkId, signal),
    listAll(store, records.ports, portIndex.ofNetwork(port.networkId), signal),
  ]);
  if (network === undefined) return [];
  return [dhcpServer(port, network.value, { subnets: subnets.of(port.networkId), ports, dnsDomain })];
};

const routerDuty = async (
  { store, records, subnets }: DutySources,
  router: Router,
  signal: AbortSignal,
): Promise<RouterInstance> => {
  const of = routerPorts(router);
  const networkIds = [...new Set(of.map(({ networkId }) => networkId))];
  const portIds = of.map(({ portId }) => portId);
  const [ports, networks, floatingIps] = await Promise.all([
    getAll(store, records.ports, portIds, signal),
    getAll(store, records.networks, networkIds, signal),
    listAll(store, records.floatingIps, floatingIpIndex.through(router.id), signal),
  ]);
  return routerInstance(router, {
    ports: new Map(ports.map((port) => [port.id, port])),
    networks: new Map(networks.map((network) => [network.id, network])),
    subnets: (id) => subnets.of(id),
    floatingIps,
  });
};

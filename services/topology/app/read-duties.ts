import type { HostId, Uuid } from '#platform/net/names.ts';
import { dhcpServer, type Duty, dutyKey, isDhcpPort, portSecurity } from '../domain/duty.ts';
import type { Port } from '../domain/port.ts';
import type { Environment } from './environment.ts';
import { listAll } from './list-all.ts';
import { portIndex } from './records.ts';
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
  const ports = await listAll(store, records.ports, portIndex.boundTo(hostId), signal);
  const duties: Duty[] = ports.map(portSecurity);
  for (const port of ports.filter(isDhcpPort)) duties.push(...(await dhcpDuty(sources, port, signal)));
  return new Map(duties.map((duty) => [dutyKey(duty), duty]));
};

/** Those of some ports. What is missing from the answer is no duty of the host. */
export const readPortDuties = async (
  sources: DutySources,
  hostId: HostId,
  { security, dhcp }: { readonly security: ReadonlySet<Uuid>; readonly dhcp: ReadonlySet<Uuid> },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Duty>> => {
  const { store, records } = sources;
  const ids = [...security.union(dhcp)];
  const found = ids.length === 0 ? [] : await store.transact((tx) => tx.getMany(records.ports, ids), signal);
  const ports = found.flatMap((port) => (port?.value.binding.hostId === hostId ? [port.value] : []));
  const duties: Duty[] = ports.filter(({ id }) => security.has(id)).map(portSecurity);
  for (const port of ports) {
    if (dhcp.has(port.id) && isDhcpPort(port)) duties.push(...(await dhcpDuty(sources, port, signal)));
  }
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

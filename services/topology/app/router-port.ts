import { DomainError, invalidField, notFound } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { HostId, ResourceName, Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import { boundTo, unbound } from '../domain/binding.ts';
import { isBeingDeleted, unmarked } from '../domain/lifetime.ts';
import type { Network } from '../domain/network.ts';
import { type FixedIp, statusOf } from '../domain/port.ts';
import { type AttachedSubnet, overlapOf, type Route, type RouterPort, strandedRoute } from '../domain/router.ts';
import type { Subnet } from '../domain/subnet.ts';
import type { Environment } from './environment.ts';
import type { Earnest, FixedIpWish } from './ipam.ts';
import { takeForPort } from './take-for-port.ts';
import { beingDeleted, usableHost } from './usable.ts';
import type { Writer } from './write.ts';

/** What a router's port has of IPAM. */
export interface TakenPort {
  readonly mac: MacAddress;
  readonly fixedIps: readonly FixedIp[];
  readonly subnets: readonly AttachedSubnet[];
}

/** A port of topology's own as it is to be. */
export interface OwnPort {
  readonly id: Uuid;
  readonly networkId: Uuid;
  readonly deviceOwner: ResourceName;
  /** Of the router or floating IP it is of. */
  readonly deviceId: Uuid;
}

/** Takes a MAC address and addresses for a port, and tells their subnets. Throws what IPAM throws. */
export const takePort = async (
  { ipam }: Environment,
  port: OwnPort,
  wishes: readonly FixedIpWish[],
  how: Earnest,
  signal: AbortSignal,
): Promise<TakenPort> => {
  const [taken, subnets] = await Promise.all([
    takeForPort(ipam, port, { fixedIps: wishes }, how, signal),
    ipam.listSubnets(port.networkId, signal),
  ]);
  if (taken.fixedIps.length === 0) throw withoutSubnet(port.networkId);
  return { ...taken, subnets: attachedTo(taken.fixedIps, subnets) };
};

/** The subnets of addresses. */
export const attachedTo = (fixedIps: readonly FixedIp[], subnets: readonly Subnet[]): readonly AttachedSubnet[] => {
  const ids = new Set(fixedIps.map(({ subnetId }) => subnetId));
  return subnets.filter(({ id }) => ids.has(id)).map(({ id, cidr }) => ({ id, cidr: cidr.text }));
};

/**
 * Writes a port that topology has for itself, in the caller's commit, bound to `hostId`. The network is written too, so
 * that nobody changes meanwhile what the port needs of it.
 */
export const writeOwnPort = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  port: OwnPort,
  taken: Pick<TakenPort, 'mac' | 'fixedIps'>,
  hostId: HostId | undefined,
): Promise<void> => {
  const { records } = environment;
  const [network, existing] = await Promise.all([
    usableNetworkRecord(environment, tx, port.networkId),
    tx.get(records.ports, port.id),
  ]);
  if (existing !== undefined) {
    throw new DomainError('exists', 'PORT_EXISTS', `port ${port.id} exists already`, { details: { port: port.id } });
  }
  writer.putQuietly(records.networks, network, unmarked(network.value));
  const binding = boundTo(unbound, hostId);
  await writer.createPort({
    ...port,
    // Names of devices are names.
    deviceId: port.deviceId as string as ResourceName,
    mac: taken.mac,
    fixedIps: taken.fixedIps,
    name: '' as ResourceName,
    adminStateUp: true,
    allowedAddressPairs: [],
    // Routers send what others have sent.
    portSecurityEnabled: false,
    binding,
    status: statusOf({ binding, adminStateUp: true }, network.value.adminStateUp),
  });
};

/** Throws what keeps a network from getting a port: `not_found`, or `conflict` while it is being deleted. */
export const usableNetworkRecord = async (
  { records, clock }: Environment,
  tx: Transaction,
  id: Uuid,
): Promise<Versioned<Network>> => {
  const network = await tx.get(records.networks, id);
  if (network === undefined) throw notFound('network', id);
  if (isBeingDeleted(network.value, clock.now())) throw beingDeleted('network', id);
  return network;
};

/** As {@link usableNetworkRecord}; throws `precondition` NETWORK_NOT_EXTERNAL besides. */
export const refuseInside = async (environment: Environment, tx: Transaction, id: Uuid): Promise<void> => {
  const { value: network } = await usableNetworkRecord(environment, tx, id);
  if (network.external) return;
  throw new DomainError('precondition', 'NETWORK_NOT_EXTERNAL', `network ${id} is not external`, {
    details: { network: id },
  });
};

/** A host that may serve routers. Throws `not_found`, `conflict`, `precondition` HOST_WITHOUT_ROLE. */
export const networkHost = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  id: HostId,
): Promise<void> => {
  const { value: host } = await usableHost(environment, tx, writer, id);
  if (host.roles.includes('network')) return;
  throw new DomainError('precondition', 'HOST_WITHOUT_ROLE', `host ${id} is not of role network`, {
    details: { host: id, role: 'network' },
  });
};

/** Throws `precondition` SUBNETS_OVERLAP when a router with these ports cannot have one with these subnets too. */
export const refuseOverlap = (present: readonly RouterPort[], added: readonly AttachedSubnet[]): void => {
  const overlap = overlapOf(present, added);
  if (overlap === undefined) return;
  const [one, other] = [overlap.added, overlap.present];
  throw new DomainError(
    'precondition',
    'SUBNETS_OVERLAP',
    `${one.cidr}, subnet ${one.id}, overlaps ${other.cidr}, subnet ${other.id}, which the router has already`,
    { details: { subnet: one.id, other: other.id } },
  );
};

/** Throws `invalid` for a route whose next hop a router with these ports does not see. */
export const refuseStrandedRoute = (routes: readonly Route[], ports: readonly RouterPort[]): void => {
  const stranded = strandedRoute(routes, ports);
  if (stranded === undefined) return;
  const field = `router.routes[${stranded.at.toString()}].nexthop`;
  throw invalidField(field, stranded.route.nexthop, "lies in none of the router's subnets");
};

const withoutSubnet = (networkId: Uuid): DomainError =>
  new DomainError(
    'precondition',
    'NETWORK_WITHOUT_SUBNET',
    `network ${networkId} has no subnet to take an address from`,
    { details: { network: networkId } },
  );

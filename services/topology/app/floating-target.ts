import { DomainError, invalidField, notFound } from '#platform/errors/domain-error.ts';
import { ipVersion } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import { isServed } from '../domain/device-owner.ts';
import type { FloatingIp, FloatingTarget } from '../domain/floating-ip.ts';
import type { FixedIp, Port } from '../domain/port.ts';
import { interfaceOn, type Router } from '../domain/router.ts';
import type { Environment } from './environment.ts';
import { floatingIpIndex, reservationOf, routerIndex } from './records.ts';
import { reserve, unreserve } from './reserve.ts';
import type { Writer } from './write.ts';

/** More than one port or router can have. */
const MOST = 10_000;

/** Where a floating IP is to lead: to a port, and to which of its addresses; absent: its only one of IPv4. */
export interface TargetWish {
  readonly portId: Uuid;
  readonly address?: IpAddress;
}

/**
 * Leads a floating IP to a port, in the caller's commit, which fails when the port or the router goes meanwhile, or
 * ceases to be what it is needed for. Throws `not_found` for the port; `invalid` for one that cannot be meant;
 * `precondition` NO_ROUTER; `exists` FIXED_IP_IN_USE when another floating IP leads to that address.
 */
export const leadTo = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  floating: Pick<FloatingIp, 'id' | 'floatingNetworkId'>,
  wish: TargetWish,
): Promise<FloatingTarget> => {
  const { records } = environment;
  const port = await tx.get(records.ports, wish.portId);
  if (port === undefined) throw notFound('port', wish.portId);
  if (isServed(port.value.deviceOwner)) {
    throw invalidField('floating_ip.port_id', wish.portId, `is a port of ${port.value.deviceOwner}`);
  }
  const { subnetId, ipAddress } = chosenAddress(port.value, wish.address);
  const router = await routerBetween(environment, tx, subnetId, floating.floatingNetworkId);
  if (router === undefined) throw noRouter(port.value, subnetId, floating.floatingNetworkId);
  await reserve(environment, tx, reservationOf.floating(wish.portId, ipAddress), floating.id, {
    reason: 'FIXED_IP_IN_USE',
    message: (holder) => `floating IP ${holder} leads to ${ipAddress} of port ${wish.portId} already`,
  });
  // Who deletes one of them, or takes the interface away, finds floating IPs by an index, which no commit guards.
  writer.putQuietly(records.ports, port, port.value);
  writer.putQuietly(records.routers, router, router.value);
  return { portId: wish.portId, subnetId, address: ipAddress, routerId: router.value.id };
};

/** Frees the address that a floating IP led to, in the caller's commit. */
export const leadNowhere = async (
  environment: Environment,
  tx: Transaction,
  { id, target }: Pick<FloatingIp, 'id' | 'target'>,
): Promise<void> => {
  if (target === undefined) return;
  await unreserve(environment, tx, reservationOf.floating(target.portId, target.address), id);
};

/** All floating IPs that lead to a port lead nowhere, in the caller's commit. */
export const leadAway = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  portId: Uuid,
): Promise<void> => {
  for (const floatingIp of await floatingIpsBy(environment, tx, floatingIpIndex.to(portId))) {
    const { target, ...rest } = floatingIp.value;
    if (target?.portId !== portId) continue;
    await leadNowhere(environment, tx, floatingIp.value);
    writer.updateFloatingIp(floatingIp, rest);
  }
};

/** Floating IPs under an index; read in the transaction. */
export const floatingIpsBy = async (
  { records }: Environment,
  tx: Transaction,
  index: string,
): Promise<readonly Versioned<FloatingIp>[]> => {
  const ids = await tx.idsBy(records.floatingIps, index, MOST);
  const found = await tx.getMany(records.floatingIps, ids);
  return found.filter((one) => one !== undefined);
};

const chosenAddress = ({ id, fixedIps }: Port, wish: IpAddress | undefined): FixedIp => {
  const field = 'floating_ip.fixed_ip_address';
  const candidates = fixedIps.filter(({ ipAddress }) => ipVersion(ipAddress) === 4);
  if (wish !== undefined) {
    const chosen = candidates.find(({ ipAddress }) => ipAddress === wish);
    if (chosen === undefined) throw invalidField(field, wish, `is no IPv4 address of port ${id}`);
    return chosen;
  }
  const [only, another] = candidates;
  if (only === undefined) throw invalidField('floating_ip.port_id', id, 'has no IPv4 address');
  if (another !== undefined) throw invalidField(field, '', `is required: port ${id} has several IPv4 addresses`);
  return only;
};

/** The first router, by id, that has an interface on the subnet and its gateway on the network. */
const routerBetween = async (
  { records }: Environment,
  tx: Transaction,
  subnetId: Uuid,
  networkId: Uuid,
): Promise<Versioned<Router> | undefined> => {
  const ids = await tx.idsBy(records.routers, routerIndex.inside(subnetId), MOST);
  const routers = await tx.getMany(records.routers, ids);
  return routers.find(
    (router) =>
      router !== undefined &&
      router.value.gateway?.networkId === networkId &&
      interfaceOn(router.value, subnetId) !== undefined,
  );
};

const noRouter = ({ id }: Port, subnetId: Uuid, networkId: Uuid): DomainError =>
  new DomainError(
    'precondition',
    'NO_ROUTER',
    `no router with its gateway on network ${networkId} has an interface on subnet ${subnetId}, where port ${id} is`,
    { details: { port: id, subnet: subnetId, network: networkId } },
  );

import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Transaction } from '#platform/store/store.ts';
import { derivedId } from '../domain/derived-id.ts';
import { ROUTER_GATEWAY_OWNER } from '../domain/device-owner.ts';
import type { Release } from '../domain/errand.ts';
import type { FixedIp } from '../domain/port.ts';
import type { Router, RouterGateway } from '../domain/router.ts';
import type { Environment } from './environment.ts';
import type { FixedIpWish } from './ipam.ts';
import { floatingIpIndex } from './records.ts';
import { floatingIpsBy } from './floating-target.ts';
import { removePort } from './remove-port.ts';
import { type OwnPort, type TakenPort, writeOwnPort } from './router-port.ts';
import type { Writer } from './write.ts';

/** A way out as it is wished for. */
export interface GatewayWish {
  readonly networkId: Uuid;
  /** None: one of each IP version the network has, or those it has already. */
  readonly fixedIps: readonly FixedIpWish[];
  readonly enableSnat: boolean;
}

/** The gateway's port of a router that is at `revision` (0: not made yet), should it get a new one. */
export const gatewayPort = (routerId: Uuid, revision: number, networkId: Uuid): OwnPort => ({
  id: derivedId('router gateway', routerId, revision.toString(), networkId),
  networkId,
  deviceOwner: ROUTER_GATEWAY_OWNER,
  deviceId: routerId,
});

/** Whether the wish takes another port than the router's gateway has. */
export const needsPort = (current: RouterGateway | undefined, wish: GatewayWish): boolean => {
  if (current?.networkId !== wish.networkId) return true;
  if (wish.fixedIps.length === 0) return false;
  return (
    wish.fixedIps.length !== current.fixedIps.length || !wish.fixedIps.every((one) => current.fixedIps.some(fits(one)))
  );
};

const fits =
  ({ subnetId, ipAddress }: FixedIpWish) =>
  (fixedIp: FixedIp): boolean =>
    (subnetId ?? fixedIp.subnetId) === fixedIp.subnetId && (ipAddress ?? fixedIp.ipAddress) === fixedIp.ipAddress;

/** Writes a new gateway's port in the caller's commit. */
export const writeGateway = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  { port, taken, enableSnat }: { readonly port: OwnPort; readonly taken: TakenPort; readonly enableSnat: boolean },
  hostId: HostId | undefined,
): Promise<RouterGateway> => {
  await writeOwnPort(environment, tx, writer, port, taken, hostId);
  const { fixedIps, subnets } = taken;
  return { portId: port.id, networkId: port.networkId, fixedIps, subnets, enableSnat };
};

/** Removes a gateway's port in the caller's commit; what is left to do is finishing the release. */
export const removeGateway = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  { portId }: RouterGateway,
): Promise<Release> => {
  const port = await tx.get(environment.records.ports, portId);
  if (port === undefined) throw notFound('port', portId);
  return await removePort(environment, tx, writer, port);
};

/** Throws `precondition` ROUTER_IN_USE while floating IPs lead through the router. */
export const refuseIfFloating = async (
  environment: Environment,
  tx: Transaction,
  { id }: Router,
  through: (subnetId: Uuid) => boolean = () => true,
): Promise<void> => {
  const floatingIps = await floatingIpsBy(environment, tx, floatingIpIndex.through(id));
  const used = floatingIps.find(({ value: { target } }) => target?.routerId === id && through(target.subnetId));
  if (used === undefined) return;
  throw routerInUse(id, `floating IP ${used.value.id} (${used.value.floatingAddress}) leads through it`, used.value.id);
};

/** `precondition`: why, and what stands in the way. */
export const routerInUse = (id: Uuid, why: string, by: string): DomainError =>
  new DomainError('precondition', 'ROUTER_IN_USE', `router ${id} is in use: ${why}`, { details: { router: id, by } });

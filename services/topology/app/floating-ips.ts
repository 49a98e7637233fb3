import { isDeepStrictEqual } from 'node:util';
import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Transaction } from '#platform/store/store.ts';
import { derivedId } from '../domain/derived-id.ts';
import { FLOATING_IP_OWNER } from '../domain/device-owner.ts';
import { portHolder } from '../domain/errand.ts';
import type { FloatingIp, FloatingTarget } from '../domain/floating-ip.ts';
import { createHeld } from './create-held.ts';
import type { Environment, Mutation } from './environment.ts';
import { leadNowhere, leadTo, type TargetWish } from './floating-target.ts';
import type { Earnest } from './ipam.ts';
import { deleteReleasing } from './delete-releasing.ts';
import { checkResourceEtag, mutate } from './mutate.ts';
import { relabelled } from './relabelled.ts';
import { removePort } from './remove-port.ts';
import { type OwnPort, refuseInside, takePort, type TakenPort, writeOwnPort } from './router-port.ts';
import { Writer } from './write.ts';

/** A floating IP as its creator wishes it. */
export interface FloatingIpDraft {
  readonly id: Uuid;
  readonly floatingNetworkId: Uuid;
  /** Absent: the next free one. */
  readonly floatingAddress?: IpAddress;
  readonly target?: TargetWish;
}

/**
 * Takes an address of an external network, and leads it to a port where that is asked for; see createHeld. Throws
 * `exists`: FLOATING_IP_EXISTS, FIXED_IP_IN_USE; `not_found` for network or port; `precondition`: NETWORK_NOT_EXTERNAL,
 * NETWORK_WITHOUT_SUBNET, NO_ROUTER; what IPAM throws.
 */
export const createFloatingIp = async (
  environment: Environment,
  draft: FloatingIpDraft,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<FloatingIp> => {
  const { records } = environment;
  const { id, floatingNetworkId } = draft;
  const port = {
    id: derivedId('floating ip', id),
    networkId: floatingNetworkId,
    deviceOwner: FLOATING_IP_OWNER,
    deviceId: id,
  };
  const check = async (tx: Transaction): Promise<void> => {
    if ((await tx.get(records.floatingIps, id)) !== undefined) throw exists(id);
    await refuseInside(environment, tx, floatingNetworkId);
  };
  return await createHeld<FloatingIp, TakenPort>(
    environment,
    {
      holder: portHolder(port),
      answer: records.floatingIps,
      check,
      take: (how, turn) => takeFloating(environment, port, draft.floatingAddress, how, turn),
      make: async (tx, taken) => {
        await check(tx);
        const writer = new Writer(environment, tx, mutation.cause);
        const [fixedIp] = taken.fixedIps;
        if (fixedIp === undefined) throw withoutIpv4(floatingNetworkId);
        await writeOwnPort(environment, tx, writer, port, taken, undefined);
        const target =
          draft.target === undefined
            ? {}
            : { target: await leadTo(environment, tx, writer, { id, floatingNetworkId }, draft.target) };
        return writer.createFloatingIp({
          id,
          floatingNetworkId,
          floatingAddress: fixedIp.ipAddress,
          holdingPortId: port.id,
          ...target,
        });
      },
    },
    mutation,
    signal,
  );
};

/** One IPv4 address: the one wished for, or the next of the network's first subnet that is not full. */
const takeFloating = async (
  environment: Environment,
  port: OwnPort,
  wish: IpAddress | undefined,
  how: Earnest,
  signal: AbortSignal,
): Promise<TakenPort> =>
  await relabelled('port.fixed_ips[0].ip_address', 'floating_ip.floating_ip_address', async () => {
    if (wish !== undefined) return await takePort(environment, port, [{ ipAddress: wish }], how, signal);
    const subnets = await environment.ipam.listSubnets(port.networkId, signal);
    let full: unknown = withoutIpv4(port.networkId);
    for (const { id, cidr } of subnets) {
      if (cidr.version !== 4) continue;
      try {
        return await takePort(environment, port, [{ subnetId: id }], how, signal);
      } catch (error) {
        if (!(error instanceof DomainError && error.code === 'exhausted')) throw error;
        full = error;
      }
    }
    throw full;
  });

/** What is to change of a floating IP. */
export interface FloatingIpUpdate {
  readonly id: Uuid;
  readonly etag: string;
  /** Null: it is to lead nowhere. */
  readonly portId?: Uuid | null;
  /** Null: the port's only one. */
  readonly address?: IpAddress | null;
}

/**
 * Leads a floating IP to another port, or nowhere. Throws `not_found`, `conflict` ETAG_MISMATCH, `exists`
 * FIXED_IP_IN_USE, `precondition` NO_ROUTER.
 */
export const updateFloatingIp = async (
  environment: Environment,
  update: FloatingIpUpdate,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<FloatingIp> => {
  const { store, records } = environment;
  return await mutate(
    store,
    mutation,
    records.floatingIps,
    async (tx) => {
      const found = await tx.get(records.floatingIps, update.id);
      if (found === undefined) throw notFound('floating_ip', update.id);
      checkResourceEtag(update.etag, found.value);
      const { target: before, ...rest } = found.value;
      const wish = wishAfter(before, update);
      const writer = new Writer(environment, tx, mutation.cause);
      const target = wish === undefined ? undefined : await leadTo(environment, tx, writer, rest, wish);
      if (isDeepStrictEqual(target, before)) return found.value;
      if (before !== undefined && (before.portId !== target?.portId || before.address !== target.address)) {
        await leadNowhere(environment, tx, found.value);
      }
      return writer.updateFloatingIp(found, { ...rest, ...(target === undefined ? {} : { target }) });
    },
    signal,
  );
};

const wishAfter = (
  before: FloatingTarget | undefined,
  { portId, address }: FloatingIpUpdate,
): TargetWish | undefined => {
  const to = portId === undefined ? before?.portId : portId;
  if (to === undefined || to === null) return undefined;
  const kept = to === before?.portId ? before.address : undefined;
  const chosen = address === undefined ? kept : (address ?? undefined);
  return { portId: to, ...(chosen === undefined ? {} : { address: chosen }) };
};

/** Gives the address back. Throws `not_found`, `conflict` ETAG_MISMATCH. */
export const deleteFloatingIp = async (
  environment: Environment,
  { id, etag }: { readonly id: Uuid; readonly etag: string },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> => {
  const { records } = environment;
  await deleteReleasing(
    environment,
    mutation,
    async (tx) => {
      const found = await tx.get(records.floatingIps, id);
      if (found === undefined) throw notFound('floating_ip', id);
      checkResourceEtag(etag, found.value);
      const port = await tx.get(records.ports, found.value.holdingPortId);
      if (port === undefined) throw notFound('port', found.value.holdingPortId);
      const writer = new Writer(environment, tx, mutation.cause);
      await leadNowhere(environment, tx, found.value);
      writer.deleteFloatingIp(found);
      return await removePort(environment, tx, writer, port);
    },
    signal,
  );
};

const exists = (id: Uuid): DomainError =>
  new DomainError('exists', 'FLOATING_IP_EXISTS', `floating IP ${id} exists already`, { details: { floating_ip: id } });

const withoutIpv4 = (networkId: Uuid): DomainError =>
  new DomainError(
    'precondition',
    'NETWORK_WITHOUT_SUBNET',
    `network ${networkId} has no IPv4 subnet to take an address from`,
    { details: { network: networkId } },
  );

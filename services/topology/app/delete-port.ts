import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import { FLOATING_IP_OWNER, ROUTER_GATEWAY_OWNER, ROUTER_INTERFACE_OWNER } from '../domain/device-owner.ts';
import type { Port } from '../domain/port.ts';
import { annotate } from './annotate.ts';
import type { Environment, Mutation } from './environment.ts';
import { leadAway } from './floating-target.ts';
import { deleteReleasing } from './delete-releasing.ts';
import { checkResourceEtag } from './mutate.ts';
import { removePort } from './remove-port.ts';
import { Writer } from './write.ts';

/**
 * Deletes a port, bound or not; its host takes it down when it hears of it. What IPAM holds for it is given back at once,
 * or, when IPAM is away, as soon as it is there. Floating IPs that lead to it lead nowhere then. Throws `not_found`,
 * `conflict` ETAG_MISMATCH, `precondition` PORT_IN_USE for a port that a router or a floating IP has.
 */
export const deletePort = async (
  environment: Environment,
  { id, etag }: { readonly id: Uuid; readonly etag: string },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> => {
  const { records } = environment;
  annotate({ port: id });
  await deleteReleasing(
    environment,
    mutation,
    async (tx) => {
      const port = await tx.get(records.ports, id);
      if (port === undefined) throw notFound('port', id);
      checkResourceEtag(etag, port.value);
      refuseIfOwned(port.value);
      const writer = new Writer(environment, tx, mutation.cause);
      await leadAway(environment, tx, writer, id);
      return await removePort(environment, tx, writer, port);
    },
    signal,
  );
};

const OWNERS: ReadonlyMap<string, string> = new Map([
  [ROUTER_INTERFACE_OWNER, 'an interface of router'],
  [ROUTER_GATEWAY_OWNER, 'the gateway of router'],
  [FLOATING_IP_OWNER, 'the address of floating IP'],
]);

const refuseIfOwned = ({ id, deviceOwner, deviceId }: Port): void => {
  const role = OWNERS.get(deviceOwner);
  if (role === undefined) return;
  throw new DomainError('precondition', 'PORT_IN_USE', `port ${id} is ${role} ${deviceId}: take it away there`, {
    details: { port: id, device_owner: deviceOwner, device_id: deviceId },
  });
};

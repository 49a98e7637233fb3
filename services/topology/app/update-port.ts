import { isDeepStrictEqual } from 'node:util';
import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import { boundTo } from '../domain/binding.ts';
import { isServed } from '../domain/device-owner.ts';
import { type Port, type PortSettings, restated } from '../domain/port.ts';
import { annotate } from './annotate.ts';
import type { Environment, Mutation } from './environment.ts';
import { checkResourceEtag, mutate } from './mutate.ts';
import { networkOf } from './rebind.ts';
import { usableHost } from './usable.ts';
import { Writer } from './write.ts';

/** What is to change of a port. */
export interface PortUpdate {
  readonly id: Uuid;
  readonly etag: string;
  readonly settings: Partial<PortSettings>;
  /** Present: bind it there, or (null) nowhere. */
  readonly place?: HostId | null;
}

/**
 * Changes a port, and where an operator wants it to be. Throws `not_found`, `conflict` ETAG_MISMATCH, `precondition`
 * PORT_IN_USE for all but the name of a port that topology has for itself.
 */
export const updatePort = async (
  environment: Environment,
  { id, etag, settings, place }: PortUpdate,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Port> => {
  const { store, records } = environment;
  annotate({ port: id });
  return await mutate(
    store,
    mutation,
    records.ports,
    async (tx) => {
      const port = await tx.get(records.ports, id);
      if (port === undefined) throw notFound('port', id);
      checkResourceEtag(etag, port.value);
      refuseIfServed(port.value, settings, place);
      const writer = new Writer(environment, tx, mutation.cause);
      const [network] = await Promise.all([
        networkOf(environment, tx, port.value),
        place === undefined || place === null ? undefined : usableHost(environment, tx, writer, place),
      ]);
      const { binding: bound } = port.value;
      const binding = place === undefined ? bound : boundTo(bound, place ?? undefined);
      const after = restated({ ...port.value, ...settings, binding }, network.adminStateUp);
      return isDeepStrictEqual(after, port.value) ? port.value : await writer.updatePort(port, after);
    },
    signal,
  );
};

const refuseIfServed = (port: Port, settings: Partial<PortSettings>, place: HostId | null | undefined): void => {
  const { id, deviceOwner, deviceId, binding } = port;
  if (!isServed(deviceOwner)) return;
  const { name: _name, ...others } = settings;
  const moves = place !== undefined && (place ?? undefined) !== binding.hostId;
  if (!moves && isDeepStrictEqual({ ...port, ...others }, port)) return;
  throw new DomainError(
    'precondition',
    'PORT_IN_USE',
    `port ${id} is ${deviceOwner} of ${deviceId}: only its name can be changed`,
    {
      details: { port: id, device_owner: deviceOwner, device_id: deviceId },
    },
  );
};

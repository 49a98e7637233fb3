import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import type { Host } from '../domain/host.ts';
import { isBeingDeleted } from '../domain/lifetime.ts';
import type { Network } from '../domain/network.ts';
import type { Environment } from './environment.ts';
import type { Writer } from './write.ts';

/**
 * A network that something new may come to use, in the caller's commit: that commit fails when the network is deleted or
 * marked for deletion meanwhile. A void mark is taken off, so that the deletion it is from cannot go on either. Throws
 * `not_found`, or `conflict` while the network is being deleted.
 */
export const usableNetwork = async (
  { records, clock }: Environment,
  tx: Transaction,
  writer: Writer,
  id: Uuid,
): Promise<Network> => {
  const network = await tx.get(records.networks, id);
  if (network === undefined) throw notFound('network', id);
  if (isBeingDeleted(network.value, clock.now())) throw beingDeleted('network', id);
  writer.liftMark(records.networks, network);
  return network.value;
};

/** As {@link usableNetwork}, of a host. */
export const usableHost = async (
  { records, clock }: Environment,
  tx: Transaction,
  writer: Writer,
  id: HostId,
): Promise<Versioned<Host>> => {
  const host = await tx.get(records.hosts, id);
  if (host === undefined) throw notFound('host', id);
  if (isBeingDeleted(host.value, clock.now())) throw beingDeleted('host', id);
  writer.liftMark(records.hosts, host);
  return host;
};

/** `conflict`: in a moment it is gone, or usable again. */
export const beingDeleted = (kind: 'host' | 'network', id: string): DomainError =>
  new DomainError('conflict', `${kind.toUpperCase()}_BEING_DELETED`, `${kind} ${id} is being deleted`, {
    details: { [kind]: id },
  });

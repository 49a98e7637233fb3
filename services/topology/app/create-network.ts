import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Network, NetworkSettings, Segment } from '../domain/network.ts';
import { annotate } from './annotate.ts';
import { createHeld } from './create-held.ts';
import type { Environment, Mutation } from './environment.ts';
import { reservationOf } from './records.ts';
import { reserve } from './reserve.ts';
import { Writer } from './write.ts';

/** A network as its creator wishes it; segmentation id 0: one of IPAM's choice. */
export interface NetworkDraft extends NetworkSettings, Segment {
  readonly id: Uuid;
}

/**
 * Creates a network with a segmentation id from IPAM; see createHeld. Throws `exists`: NETWORK_EXISTS,
 * PHYSICAL_NETWORK_IN_USE (of two flat networks), what IPAM says of the segmentation id.
 */
export const createNetwork = async (
  environment: Environment,
  draft: NetworkDraft,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Network> => {
  const { records, ipam } = environment;
  annotate({ network: draft.id });
  return await createHeld<Network, number>(
    environment,
    {
      holder: { kind: 'network', id: draft.id },
      answer: records.networks,
      check: async (tx) => {
        if ((await tx.get(records.networks, draft.id)) !== undefined) throw exists(draft.id);
      },
      take: async (how, turn) => (draft.type === 'flat' ? 0 : await ipam.allocateSegment(draft.id, draft, how, turn)),
      make: async (tx, segmentationId) => {
        if ((await tx.get(records.networks, draft.id)) !== undefined) throw exists(draft.id);
        if (draft.type === 'flat') {
          await reserve(environment, tx, reservationOf.flat(draft.physicalNetwork), draft.id, {
            reason: 'PHYSICAL_NETWORK_IN_USE',
            message: (holder) => `physical network ${draft.physicalNetwork} is that of flat network ${holder}`,
          });
        }
        return new Writer(environment, tx, mutation.cause).createNetwork({ ...draft, segmentationId });
      },
    },
    mutation,
    signal,
  );
};

const exists = (id: Uuid): DomainError =>
  new DomainError('exists', 'NETWORK_EXISTS', `network ${id} exists already`, { details: { network: id } });

import { DomainError } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import { dhcpDeviceId } from '../domain/device-owner.ts';
import { holderKey, type Release } from '../domain/errand.ts';
import type { Network } from '../domain/network.ts';
import { annotate } from './annotate.ts';
import { deletePort } from './delete-port.ts';
import { deleteMarked } from './deletion.ts';
import { type Environment, type Mutation, unasked } from './environment.ts';
import { newRelease, tryFinishRelease } from './errands.ts';
import { portIndex, reservationOf } from './records.ts';
import { unreserve } from './reserve.ts';
import { Writer } from './write.ts';

/** More than a network ever has. */
const MOST_DHCP_PORTS = 64;

/**
 * Deletes a network, with the ports that serve its DHCP. Throws `precondition` NETWORK_IN_USE while it has other ports or
 * subnets; see deleteMarked for the rest.
 */
export const deleteNetwork = async (
  environment: Environment,
  wanted: { readonly id: Uuid; readonly etag: string },
  mutation: Mutation,
  signal: AbortSignal,
): Promise<void> => {
  const { records, ipam } = environment;
  const { id } = wanted;
  annotate({ network: id });
  const release = await deleteMarked<Network, Release | undefined>(
    environment,
    {
      kind: 'network',
      from: records.networks,
      refuseIfUsed: async (turn) => {
        const [ports, subnets] = await Promise.all([foreignPorts(environment, id, turn), ipam.hasSubnets(id, turn)]);
        if (ports) throw inUse(id, 'ports');
        if (subnets) throw inUse(id, 'subnets');
      },
      clear: async (turn) => {
        for (const port of await dhcpPorts(environment, id, turn)) {
          try {
            await deletePort(environment, { id: port, etag: '' }, unasked(mutation.cause), turn);
          } catch (error) {
            // Without subnets, others may have been about to.
            if (!(error instanceof DomainError && error.reason === 'PORT_NOT_FOUND')) throw error;
          }
        }
      },
      remove: async (tx, network) => {
        const { type, physicalNetwork } = network.value;
        new Writer(environment, tx, mutation.cause).deleteNetwork(network);
        if (type === 'flat') {
          await unreserve(environment, tx, reservationOf.flat(physicalNetwork), id);
          return undefined;
        }
        const begun = newRelease(environment, { kind: 'network', id });
        const key = holderKey(begun.holder);
        const errand = await tx.get(records.errands, key);
        tx.put(records.errands, key, begun, errand?.version ?? 'absent');
        return begun;
      },
    },
    wanted,
    mutation,
    signal,
  );
  if (release !== undefined) await tryFinishRelease(environment, release, signal);
};

const dhcpPorts = async ({ store, records }: Environment, id: Uuid, signal: AbortSignal): Promise<readonly Uuid[]> => {
  const index = portIndex.ofDevice(dhcpDeviceId(id));
  // Ids of this collection are ids of ports.
  return (await store.transact((tx) => tx.idsBy(records.ports, index, MOST_DHCP_PORTS), signal)) as readonly Uuid[];
};

/** Whether it has ports that topology has not made for its own DHCP. */
const foreignPorts = async (environment: Environment, id: Uuid, signal: AbortSignal): Promise<boolean> => {
  const { store, records } = environment;
  const own = new Set<string>(await dhcpPorts(environment, id, signal));
  const some = await store.transact((tx) => tx.idsBy(records.ports, portIndex.ofNetwork(id), own.size + 1), signal);
  return some.some((port) => !own.has(port));
};

const inUse = (id: Uuid, by: string): DomainError =>
  new DomainError('precondition', 'NETWORK_IN_USE', `network ${id} has ${by}`, { details: { network: id, by } });

import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import { boundTo, unbound } from '../domain/binding.ts';
import { portHolder } from '../domain/errand.ts';
import { isBeingDeleted } from '../domain/lifetime.ts';
import { type FixedIp, type Port, type PortSettings, statusOf } from '../domain/port.ts';
import { annotate } from './annotate.ts';
import { createHeld } from './create-held.ts';
import type { Environment, Mutation } from './environment.ts';
import type { FixedIpWish } from './ipam.ts';
import { takeForPort } from './take-for-port.ts';
import { beingDeleted, usableHost, usableNetwork } from './usable.ts';
import { Writer } from './write.ts';

/** A port as its creator wishes it. */
export interface PortDraft extends Omit<PortSettings, 'portSecurityEnabled'> {
  readonly id: Uuid;
  readonly networkId: Uuid;
  /** Absent: one of IPAM's choice. */
  readonly mac?: MacAddress;
  /** None: one of each IP version the network has subnets of; none at all where it has no subnets. */
  readonly fixedIps: readonly FixedIpWish[];
  /** Absent: as the network says. */
  readonly portSecurityEnabled?: boolean;
  /** Bound there at once, without waiting for a device. */
  readonly hostId?: HostId;
}

interface Held {
  readonly mac: MacAddress;
  readonly fixedIps: readonly FixedIp[];
}

/**
 * Creates a port with a MAC address and addresses from IPAM; see createHeld. It cannot come to be in a network that is
 * deleted at the same time. Throws `not_found` for the network or the host; `exists` PORT_EXISTS; what IPAM throws.
 */
export const createPort = async (
  environment: Environment,
  draft: PortDraft,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Port> => {
  const { records, ipam, clock } = environment;
  const { id, networkId, hostId } = draft;
  annotate({ port: id, network: networkId });
  return await createHeld<Port, Held>(
    environment,
    {
      holder: portHolder(draft),
      answer: records.ports,
      check: async (tx) => {
        const [network, host, port] = await Promise.all([
          tx.get(records.networks, networkId),
          hostId === undefined ? undefined : tx.get(records.hosts, hostId),
          tx.get(records.ports, id),
        ]);
        if (port !== undefined) throw exists(id);
        if (network === undefined) throw notFound('network', networkId);
        if (isBeingDeleted(network.value, clock.now())) throw beingDeleted('network', networkId);
        if (hostId !== undefined && host === undefined) throw notFound('host', hostId);
      },
      take: (how, turn) => takeForPort(ipam, draft, draft, how, turn),
      make: async (tx, held) => {
        const writer = new Writer(environment, tx, mutation.cause);
        const [network, , port] = await Promise.all([
          usableNetwork(environment, tx, writer, networkId),
          hostId === undefined ? undefined : usableHost(environment, tx, writer, hostId),
          tx.get(records.ports, id),
        ]);
        if (port !== undefined) throw exists(id);
        const { hostId: _place, mac: _wish, ...rest } = draft;
        const binding = boundTo(unbound, hostId);
        return await writer.createPort({
          ...rest,
          ...held,
          portSecurityEnabled: draft.portSecurityEnabled ?? network.portSecurityEnabled,
          binding,
          status: statusOf({ binding, adminStateUp: draft.adminStateUp }, network.adminStateUp),
        });
      },
    },
    mutation,
    signal,
  );
};

const exists = (id: Uuid): DomainError =>
  new DomainError('exists', 'PORT_EXISTS', `port ${id} exists already`, { details: { port: id } });

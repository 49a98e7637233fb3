import { notFound } from '#platform/errors/domain-error.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import type { Binding } from '../domain/binding.ts';
import type { Network } from '../domain/network.ts';
import { type Port, restated } from '../domain/port.ts';
import { annotate } from './annotate.ts';
import type { Environment } from './environment.ts';
import { Writer } from './write.ts';

/** What became of a port. */
export interface Rebound {
  readonly before: Binding;
  readonly port: Port;
}

/** Changes the binding of a port by a rule of domain/binding.ts. Undefined when there is no such port. */
export const rebind = async (
  environment: Environment,
  id: Uuid,
  rule: (binding: Binding, port: Port) => Binding,
  cause: string,
  signal: AbortSignal,
): Promise<Rebound | undefined> =>
  await environment.store.transact(async (tx) => {
    const port = await tx.get(environment.records.ports, id);
    if (port === undefined) return undefined;
    const after = rule(port.value.binding, port.value);
    if (after === port.value.binding) return { before: after, port: port.value };
    const network = await networkOf(environment, tx, port.value);
    const writer = new Writer(environment, tx, cause);
    return { before: port.value.binding, port: await writeBinding(environment, writer, port, network, after) };
  }, signal);

/** The network of a port, which is there as long as the port is. */
export const networkOf = async (environment: Environment, tx: Transaction, port: Port): Promise<Network> => {
  const network = await tx.get(environment.records.networks, port.networkId);
  if (network === undefined) throw notFound('network', port.networkId);
  return network.value;
};

/** Writes a changed binding, and what is learned of the guest with it; quietly where only claims changed, which nobody outside sees. */
export const writeBinding = async (
  { records }: Environment,
  writer: Writer,
  port: Versioned<Port>,
  network: Network,
  binding: Binding,
  deviceId: Port['deviceId'] = port.value.deviceId,
): Promise<Port> => {
  const before = port.value.binding;
  const after = restated({ ...port.value, binding, deviceId }, network.adminStateUp);
  const isSeen =
    before.hostId !== binding.hostId ||
    before.failure !== binding.failure ||
    after.status !== port.value.status ||
    deviceId !== port.value.deviceId;
  if (!isSeen) {
    writer.putQuietly(records.ports, port, after);
    return after;
  }
  const written = await writer.updatePort(port, after);
  annotate({ port: written.id, network: written.networkId, revision: written.revision });
  return written;
};

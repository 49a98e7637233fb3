import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { ResourceName, Uuid } from '#platform/net/names.ts';
import type { Transaction } from '#platform/store/store.ts';
import { deviceUp, servedUp } from '../domain/binding.ts';
import { derivedId } from '../domain/derived-id.ts';
import { isServed } from '../domain/device-owner.ts';
import type { Network } from '../domain/network.ts';
import type { Port } from '../domain/port.ts';
import { annotate } from './annotate.ts';
import { createPort } from './create-port.ts';
import { type Environment, unasked } from './environment.ts';
import { type DeviceReport, findPort, prefetch } from './find-port.ts';
import type { PortHints } from './port-hints.ts';
import { networkOf, writeBinding } from './rebind.ts';
import { usableHost } from './usable.ts';
import { Writer } from './write.ts';

const CAUSE = 'ReportPortUp';

export interface PluggedPort {
  /** As it now is; bound elsewhere when another host's newer word holds. */
  readonly port: Port;
  readonly network: Network;
  /** Whether this word moved it. */
  readonly rebound: boolean;
}

/**
 * A device exists on a host: finds its port and binds it there by the rules of domain/binding.ts. The same word again
 * writes nothing. Two round trips to the store where this process has seen the port before. Throws `not_found`
 * HOST_NOT_FOUND (register first) or PORT_UNKNOWN; what creating a port throws, where one is made.
 */
export const reportPortUp = async (
  environment: Environment,
  hints: PortHints,
  report: DeviceReport,
  signal: AbortSignal,
): Promise<PluggedPort> => {
  annotate({ host: report.hostId });
  const found = await environment.store.transact((tx) => plug(environment, hints, tx, report), signal);
  if ('port' in found) return plugged(hints, found);
  const portId = await createAutoPort(environment, report, found, signal);
  const made = await environment.store.transact((tx) => plug(environment, hints, tx, { ...report, portId }), signal);
  if ('port' in made) return plugged(hints, made);
  throw new DomainError('conflict', 'PORT_GONE', `port ${portId} was made and deleted again`, {
    details: { port: portId },
  });
};

const plugged = (hints: PortHints, found: PluggedPort): PluggedPort => {
  hints.note(found.port.id, found.network.id);
  annotate({ port: found.port.id, network: found.network.id });
  return found;
};

interface NewPort {
  readonly newIn: Network;
  readonly mac: MacAddress;
}

const plug = async (
  environment: Environment,
  hints: PortHints,
  tx: Transaction,
  report: DeviceReport,
): Promise<PluggedPort | NewPort> => {
  const { records } = environment;
  const { hostId } = report;
  const found = await findPort(environment, tx, report, await prefetch(environment, tx, hints, report));
  const host = await tx.get(records.hosts, hostId);
  if (host === undefined) throw notFound('host', hostId);
  if ('newIn' in found) return found;
  const { port } = found;
  const network = await networkOf(environment, tx, port.value);
  const { binding: bound, deviceOwner } = port.value;
  const binding = isServed(deviceOwner) ? servedUp(bound, hostId) : deviceUp(bound, hostId);
  // What its creator said of it holds.
  const deviceId = port.value.deviceId === '' ? (report.vmId ?? port.value.deviceId) : port.value.deviceId;
  if (binding === port.value.binding && deviceId === port.value.deviceId) {
    return { port: port.value, network, rebound: false };
  }
  const writer = new Writer(environment, tx, CAUSE);
  await usableHost(environment, tx, writer, hostId);
  const written = await writeBinding(environment, writer, port, network, binding, deviceId);
  return { port: written, network, rebound: binding.hostId !== port.value.binding.hostId };
};

/** The same device gets the same port, however often it is reported while that is being made. */
const createAutoPort = async (
  environment: Environment,
  { hostId, device }: DeviceReport,
  { newIn, mac }: NewPort,
  signal: AbortSignal,
): Promise<Uuid> => {
  const id = derivedId('auto port', hostId, device, newIn.id, mac);
  const draft = {
    id,
    networkId: newIn.id,
    mac,
    fixedIps: [],
    // Names of devices are names.
    name: device as ResourceName,
    deviceId: '' as ResourceName,
    deviceOwner: 'weft:auto' as ResourceName,
    adminStateUp: true,
    allowedAddressPairs: [],
  };
  try {
    await createPort(environment, draft, unasked(CAUSE), signal);
    environment.log.info({ port: id, network: newIn.id, host: hostId, device, mac }, 'device became a port');
  } catch (error) {
    // Another report of the same device was faster.
    if (!(error instanceof DomainError && error.reason === 'PORT_EXISTS')) throw error;
  }
  return id;
};

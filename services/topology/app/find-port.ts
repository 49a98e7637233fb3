import { DomainError } from '#platform/errors/domain-error.ts';
import type { MacAddress } from '#platform/net/mac-address.ts';
import type { HostId, ResourceName, Uuid } from '#platform/net/names.ts';
import type { Transaction, Versioned } from '#platform/store/store.ts';
import type { Network } from '../domain/network.ts';
import type { Port } from '../domain/port.ts';
import type { Environment } from './environment.ts';
import type { PortHints } from './port-hints.ts';
import { portIndex } from './records.ts';

/** A device that appeared on a host, as the host sees it. */
export interface DeviceReport {
  readonly hostId: HostId;
  /** As the kernel calls it; empty: not known. */
  readonly device: string;
  readonly portId?: Uuid;
  readonly mac?: MacAddress;
  /** Of the bridge it is in. */
  readonly networkId?: Uuid;
  /** The guest it belongs to. */
  readonly vmId?: ResourceName;
}

/** A port, or the network in which the device is to become one. */
export type Found = { readonly port: Versioned<Port> } | { readonly newIn: Network; readonly mac: MacAddress };

const TAP = /^tap([0-9a-f]{8}-[0-9a-f]{2})$/;

/**
 * Which port a device is of: the port id, where the source knows it; else the port of whose id the device's name has the
 * first 11 characters; else the port with its MAC address in the network of its bridge; else, where that network has
 * auto_ports, a new one. Throws `not_found` PORT_UNKNOWN otherwise: nothing is guessed, so two ports that fit are none.
 */
export const findPort = async (
  environment: Environment,
  tx: Transaction,
  report: DeviceReport,
  { tapIds, macIds }: Prefetched,
): Promise<Found> => {
  const port =
    (await byId(environment, tx, report)) ??
    (await byTapName(environment, tx, report, tapIds)) ??
    (await byMac(environment, tx, report, macIds));
  if (port !== undefined) return { port };
  const { networkId, mac } = report;
  if (networkId === undefined) throw unknown(report, 'no port has such a device name, and its network is not known');
  if (mac === undefined) throw unknown(report, 'no port has such a device name, and its MAC address is not known');
  const network = await tx.get(environment.records.networks, networkId);
  if (network === undefined) throw unknown(report, 'its network does not exist');
  if (!network.value.autoPorts) throw unknown(report, 'no port of its network has its MAC address');
  // Taken for the guest's, it would send the network's frames nowhere.
  if (isHostSide(mac)) throw unknown(report, "fe:… is the host's side of a tap, and the guest's address is not known");
  return { newIn: network.value, mac };
};

/** What indexes say of a report; absent where they have not been asked. */
export interface Prefetched {
  readonly tapIds?: readonly string[] | undefined;
  readonly macIds?: readonly string[] | undefined;
}

/** Fetches, in one round trip, what `findPort` and the binding are likely to need. */
export const prefetch = async (
  { records }: Environment,
  tx: Transaction,
  hints: PortHints,
  report: DeviceReport,
): Promise<Prefetched> => {
  const { portId, networkId, mac, hostId } = report;
  const index = portId === undefined ? indexOfDevice(report) : undefined;
  const hint = portId === undefined ? hints.byPrefix(tapPrefix(report) ?? '') : hints.byId(portId);
  const likelyPort = portId ?? hint?.portId;
  const likelyNetwork = hint?.networkId ?? networkId;
  const [ids] = await Promise.all([
    index === undefined ? undefined : tx.idsBy(records.ports, index, 2),
    tx.get(records.hosts, hostId),
    likelyPort === undefined ? undefined : tx.get(records.ports, likelyPort),
    likelyNetwork === undefined ? undefined : tx.get(records.networks, likelyNetwork),
  ]);
  return tapPrefix(report) !== undefined || mac === undefined ? { tapIds: ids } : { macIds: ids };
};

/** The index that says most about the device by itself. */
const indexOfDevice = (report: DeviceReport): string | undefined => {
  const prefix = tapPrefix(report);
  if (prefix !== undefined) return portIndex.ofTap(prefix);
  const { networkId, mac } = report;
  return networkId === undefined || mac === undefined ? undefined : portIndex.ofMac(networkId, mac);
};

const tapPrefix = ({ device }: DeviceReport): string | undefined => TAP.exec(device)?.[1];

const byId = async (
  { records }: Environment,
  tx: Transaction,
  { portId }: DeviceReport,
): Promise<Versioned<Port> | undefined> => (portId === undefined ? undefined : await tx.get(records.ports, portId));

const byTapName = async (
  environment: Environment,
  tx: Transaction,
  report: DeviceReport,
  known: readonly string[] | undefined,
): Promise<Versioned<Port> | undefined> => {
  const prefix = tapPrefix(report);
  if (prefix === undefined) return undefined;
  return await only(environment, tx, report, { index: portIndex.ofTap(prefix), what: 'device name', known });
};

const byMac = async (
  environment: Environment,
  tx: Transaction,
  report: DeviceReport,
  known: readonly string[] | undefined,
): Promise<Versioned<Port> | undefined> => {
  const { networkId, mac } = report;
  if (networkId === undefined || mac === undefined) return undefined;
  const exact = await only(environment, tx, report, {
    index: portIndex.ofMac(networkId, mac),
    what: 'MAC address',
    known,
  });
  if (exact !== undefined || !isHostSide(mac)) return exact;
  return await only(environment, tx, report, {
    index: portIndex.ofMacTail(networkId, mac),
    what: 'last five bytes of its MAC address',
    known: undefined,
  });
};

/** libvirt gives the host's side of a tap its guest's MAC address with fe in front. */
const isHostSide = (mac: MacAddress): boolean => mac.startsWith('fe:');

interface Lookup {
  readonly index: string;
  /** What the index is by, for people. */
  readonly what: string;
  /** Its first two ids, where they have been fetched. */
  readonly known: readonly string[] | undefined;
}

/** The one port under an index; throws when there are several. */
const only = async (
  { records }: Environment,
  tx: Transaction,
  report: DeviceReport,
  { index, what, known }: Lookup,
): Promise<Versioned<Port> | undefined> => {
  const [id, another] = known ?? (await tx.idsBy(records.ports, index, 2));
  if (another !== undefined) throw unknown(report, `several ports have its ${what}`);
  const port = id === undefined ? undefined : await tx.get(records.ports, id);
  // The index was read without guard; the record says whether it was right.
  return port !== undefined && records.ports.indexes?.(port.value).includes(index) === true ? port : undefined;
};

const unknown = ({ hostId, device, mac, networkId }: DeviceReport, why: string): DomainError =>
  new DomainError(
    'not_found',
    'PORT_UNKNOWN',
    `no port for device ${JSON.stringify(device)} of host ${hostId}: ${why}`,
    {
      details: {
        host: hostId,
        device,
        ...(mac === undefined ? {} : { mac_address: mac }),
        ...(networkId === undefined ? {} : { network: networkId }),
      },
    },
  );

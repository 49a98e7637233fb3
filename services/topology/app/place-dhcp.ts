import type { ResourceName, Uuid } from '#platform/net/names.ts';
import { type Carrier, inSpan } from '#platform/telemetry/spans.ts';
import { boundTo } from '../domain/binding.ts';
import { DHCP_OWNER, dhcpDeviceId, dhcpPortId } from '../domain/device-owner.ts';
import type { Host } from '../domain/host.ts';
import { isBeingDeleted } from '../domain/lifetime.ts';
import type { Network } from '../domain/network.ts';
import type { Port } from '../domain/port.ts';
import { dhcpSteps, type DhcpStep, Loads, reaches, serves } from '../domain/serving.ts';
import type { Subnet } from '../domain/subnet.ts';
import { atOnce } from './at-once.ts';
import { createPort } from './create-port.ts';
import { deletePort } from './delete-port.ts';
import { type Environment, unasked } from './environment.ts';
import { listAll, getAll } from './list-all.ts';
import { portIndex } from './records.ts';
import { networkOf, writeBinding } from './rebind.ts';
import type { SubnetBook } from './subnet-book.ts';
import { placements, tryToPlace } from './try-to-place.ts';
import { usableHost } from './usable.ts';
import { Writer } from './write.ts';

const CAUSE = 'PlaceDhcp';
/** More than one network ever has. */
const MOST_PORTS = 64;

/** What DHCP is placed by. */
export interface DhcpPlacing extends Environment {
  readonly subnets: Pick<SubnetBook, 'of' | 'networks'>;
  readonly dhcpHostsPerNetwork: number;
}

/** Of which networks. */
export interface DhcpScope {
  /** Of all; otherwise of those that have a cause. */
  readonly all: boolean;
  /** The trace that led to it. */
  readonly causes: ReadonlyMap<Uuid, Carrier>;
}

/**
 * Sees to it that networks have the DHCP ports they should have, each on a host that is alive, with an address in each
 * subnet that has DHCP. Any number of replicas may be at it: each step is a
 * commit that holds only while what it was decided upon does. What fails is left for the next time.
 */
export const placeDhcp = async (
  placing: DhcpPlacing,
  hosts: readonly Host[],
  { all, causes }: DhcpScope,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records, clock, subnets } = placing;
  const ports = await listAll(store, records.ports, portIndex.ownedBy(DHCP_OWNER), signal);
  const loads = new Loads();
  for (const { binding } of ports) loads.add(binding.hostId);
  const byNetwork = Map.groupBy(ports, ({ networkId }) => networkId);
  const concerned = [...new Set([...byNetwork.keys(), ...subnets.networks()])].filter((id) => all || causes.has(id));
  const networks = await getAll(store, records.networks, concerned, signal);
  const serving = hosts.filter((host) => serves(host, clock.now()));
  const work = networks.flatMap((network) => {
    // Who deletes it takes these ports along.
    if (isBeingDeleted(network, clock.now())) return [];
    return [workOn(placing, network, byNetwork.get(network.id) ?? [], serving, loads)];
  });
  await atOnce(work, async ({ network, steps, stale }) => {
    if (steps.length === 0 && stale.length === 0) return;
    const parent = causes.get(network.id);
    const options = { attributes: { 'weft.network.id': network.id }, ...(parent === undefined ? {} : { parent }) };
    await inSpan('place dhcp', options, async () => {
      const about = { network: network.id };
      for (const step of steps) await tryToPlace(placing, about, () => take(placing, network, step, signal), signal);
      for (const port of stale) await tryToPlace(placing, about, () => readdress(placing, port, signal), signal);
    });
  });
};

interface Work {
  readonly network: Network;
  readonly steps: readonly DhcpStep[];
  /** Ports that lack an address, or have one of a subnet that is gone. */
  readonly stale: readonly Port[];
}

const workOn = (
  placing: DhcpPlacing,
  network: Network,
  ports: readonly Port[],
  serving: readonly Host[],
  loads: Loads,
): Work => {
  const subnets = placing.subnets.of(network.id);
  const steps = dhcpSteps(
    network.id,
    {
      count: subnets.some(({ enableDhcp }) => enableDhcp) ? placing.dhcpHostsPerNetwork : 0,
      ports: ports.map(({ id, binding }) => ({ id, hostId: binding.hostId })),
      hosts: serving.filter((host) => reaches(host, network)).map(({ id }) => id),
    },
    loads,
  );
  const gone = new Set(steps.flatMap((step) => (step.kind === 'delete' ? [step.id] : [])));
  return { network, steps, stale: ports.filter((port) => !gone.has(port.id) && isStale(port, subnets)) };
};

/**
 * The subnets a port for DHCP has to have an address in: those with DHCP, and those where it has one. Such an address is
 * kept until the subnet or the port goes, so that nobody ever gives it away while another is writing it down.
 */
const subnetsFor = ({ fixedIps }: Pick<Port, 'fixedIps'>, subnets: readonly Subnet[]): readonly Uuid[] => {
  const has = new Set(fixedIps.map(({ subnetId }) => subnetId));
  return subnets.filter(({ id, enableDhcp }) => enableDhcp || has.has(id)).map(({ id }) => id);
};

const isStale = (port: Port, subnets: readonly Subnet[]): boolean => {
  const wanted = subnetsFor(port, subnets);
  return wanted.length !== port.fixedIps.length || port.fixedIps.some(({ subnetId }) => !wanted.includes(subnetId));
};

const take = async (placing: DhcpPlacing, network: Network, step: DhcpStep, signal: AbortSignal): Promise<void> => {
  switch (step.kind) {
    case 'create':
      await createServer(placing, network.id, step, signal);
      break;
    case 'move':
      await moveServer(placing, step, signal);
      break;
    case 'delete':
      await deletePort(placing, { id: step.id, etag: '' }, unasked(CAUSE), signal);
      break;
  }
};

const createServer = async (
  placing: DhcpPlacing,
  networkId: Uuid,
  { ordinal, on }: Extract<DhcpStep, { kind: 'create' }>,
  signal: AbortSignal,
): Promise<void> => {
  const id = dhcpPortId(networkId, ordinal);
  const wanted = subnetsFor({ fixedIps: [] }, placing.subnets.of(networkId));
  const draft = {
    ...{ id, networkId, hostId: on, deviceOwner: DHCP_OWNER, deviceId: dhcpDeviceId(networkId) },
    ...{ name: '' as ResourceName, adminStateUp: true, allowedAddressPairs: [], portSecurityEnabled: false },
    fixedIps: wanted.map((subnetId) => ({ subnetId })),
  };
  await createPort(placing, draft, unasked(CAUSE), signal);
  placements.add(1, { kind: 'dhcp', why: 'new' });
  placing.log.info({ network: networkId, port: id, host: on }, 'DHCP is served');
};

const moveServer = async (
  placing: DhcpPlacing,
  { id, from, to }: Extract<DhcpStep, { kind: 'move' }>,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records, clock, log } = placing;
  const moved = await store.transact(async (tx) => {
    const port = await tx.get(records.ports, id);
    if (port === undefined || port.value.binding.hostId !== from) return false;
    const writer = new Writer(placing, tx, CAUSE);
    const host = await usableHost(placing, tx, writer, to);
    if (!serves(host.value, clock.now())) return false;
    const ids = await tx.idsBy(records.ports, portIndex.ofDevice(port.value.deviceId), MOST_PORTS);
    const others = await tx.getMany(records.ports, ids);
    // Another replica may have brought another server of the network there.
    if (others.some((other) => other?.value.binding.hostId === to)) return false;
    const network = await networkOf(placing, tx, port.value);
    await writeBinding(placing, writer, port, network, boundTo(port.value.binding, to));
    return true;
  }, signal);
  if (!moved) return;
  placements.add(1, { kind: 'dhcp', why: 'moved' });
  log.warn({ port: id, from, to }, 'DHCP moves');
};

/** Gives a port the addresses it lacks, and takes from its record those of subnets that are gone. */
const readdress = async (
  placing: DhcpPlacing,
  { id, networkId, ...port }: Port,
  signal: AbortSignal,
): Promise<void> => {
  const { store, records, ipam, subnets } = placing;
  const wanted = subnetsFor(port, subnets.of(networkId));
  const wishes = wanted.map((subnetId) => ({ subnetId }));
  const owner = { id, networkId, deviceOwner: port.deviceOwner };
  const held = wishes.length === 0 ? [] : await ipam.allocateAddresses(owner, wishes, { validateOnly: false }, signal);
  const fixedIps = wanted.flatMap((wish) => held.filter(({ subnetId }) => subnetId === wish));
  await store.transact(async (tx) => {
    const found = await tx.get(records.ports, id);
    // Who found the same has written the same.
    if (found?.value.revision !== port.revision) return;
    await new Writer(placing, tx, CAUSE).updatePort(found, { ...found.value, fixedIps });
  }, signal);
};

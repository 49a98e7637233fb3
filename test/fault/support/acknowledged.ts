import { parseIp } from '#platform/net/ip-address.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { AddressLease } from '#proto/weft/ipam/v1/ipam.ts';
import type { Network } from '#proto/weft/topology/v1/topology.ts';
import type { LabWeft } from '../../system/lab-weft.ts';
import type { Churn } from './churn.ts';
import { portsOf } from './exact.ts';
import { allPages } from './pages.ts';

const leasesOf = async (weft: LabWeft, subnetId: string): Promise<readonly AddressLease[]> => {
  const ipam = await weft.connections.ipam();
  const pages = await allPages(async (page) => ipam.listLeases({ ...page, subnet_id: subnetId, owner_id: '' }));
  return pages.flatMap(({ leases }) => leases);
};

/** Addresses held by ports that are not there: what a death in the middle of a creation or deletion leaves for a while. */
export const orphanLeases = async (weft: LabWeft, network: Network, subnetId: string): Promise<readonly string[]> => {
  const known = new Set((await portsOf(weft, network.id)).map(({ id }) => id));
  const orphans = (await leasesOf(weft, subnetId)).filter(({ owner_id }) => !known.has(owner_id));
  return orphans.map(({ owner_id, ip_address }) => `${ip_address} is held by ${owner_id}, which is not there`);
};

/**
 * What of the acknowledged is not true: ports that are missing or have other addresses than told, deleted ones that are still
 * there, addresses held twice, or by another than their port.
 */
export const brokenPromises = async (
  weft: LabWeft,
  network: Network,
  subnetId: string,
  churn: Pick<Churn, 'ports' | 'deleted'>,
): Promise<readonly string[]> => {
  const known = new Map((await portsOf(weft, network.id)).map((port) => [port.id, port]));
  const leases = await leasesOf(weft, subnetId);
  const addresses = leases.map(({ ip_address }) => parseIp('ip', ip_address));
  const held = new Map(leases.map(({ owner_id, ip_address }) => [owner_id, ip_address]));
  const macs = [...known.values()].map(({ mac_address }) => mac_address);
  return [
    ...churn.ports.flatMap((told) => {
      const kept = known.get(told.id);
      if (kept === undefined) return [`port ${told.id} was acknowledged and is gone`];
      const same =
        kept.mac_address === told.mac_address && JSON.stringify(kept.fixed_ips) === JSON.stringify(told.fixed_ips);
      return same ? [] : [`port ${told.id} is not what was acknowledged: ${JSON.stringify(kept)}`];
    }),
    ...[...churn.deleted].filter((id) => known.has(id)).map((id) => `port ${id} was deleted and is there`),
    ...[...known.values()].flatMap((port) => {
      const own = port.fixed_ips[0]?.ip_address;
      return own === undefined || held.get(port.id) !== own
        ? [`port ${port.id} has ${String(own)} and no lease of it`]
        : [];
    }),
    ...(new Set(addresses).size === addresses.length ? [] : ['an address is held twice']),
    ...(new Set(macs).size === macs.length ? [] : ['a MAC address is held twice']),
  ];
};

/** Resolves once every port is bound exactly where its tap is. */
export const boundAsPlugged = async (
  weft: LabWeft,
  network: Network,
  places: ReadonlyMap<string, string>,
  withinMs: number,
): Promise<void> => {
  let wrong: readonly string[] = [];
  const check = async (): Promise<boolean> => {
    try {
      wrong = (await portsOf(weft, network.id))
        .filter(({ id, binding_host_id }) => binding_host_id !== (places.get(id) ?? ''))
        .map(({ id, binding_host_id }) => `${id} is at "${binding_host_id}", its tap at "${places.get(id) ?? ''}"`);
    } catch (error) {
      wrong = [String(error)];
    }
    return wrong.length === 0;
  };
  await eventually('ports are bound where their taps are', check, withinMs).catch((cause: unknown) => {
    throw new Error(`after ${withinMs.toString()} ms: ${wrong.slice(0, 8).join('\n')}`, { cause });
  });
};

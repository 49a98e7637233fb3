import type { Connections } from '../../../cli/client/connections.ts';
import { allPages } from './pages.ts';

/** All that the services keep and people can read, but for what time alone changes: leases of hosts, reports, read-backs. */
export const wholeRecord = async (connections: Connections): Promise<Readonly<Record<string, unknown>>> => {
  const [ipam, topology, l2pop] = await Promise.all([connections.ipam(), connections.topology(), connections.l2pop()]);
  const subnets = (await allPages(async (page) => ipam.listSubnets({ ...page, network_id: '' }))).flatMap(
    (page) => page.subnets,
  );
  const leases = await Promise.all(
    subnets.map(async ({ id }) =>
      (await allPages(async (page) => ipam.listLeases({ ...page, subnet_id: id, owner_id: '' }))).flatMap(
        (page) => page.leases,
      ),
    ),
  );
  const networks = (await allPages(async (page) => topology.listNetworks({ ...page, name: '' }))).flatMap(
    (page) => page.networks,
  );
  const entries = await Promise.all(
    networks.map(async ({ id }) =>
      (await allPages(async (page) => l2pop.listForwardingEntries({ ...page, network_id: id }))).flatMap(
        (page) => page.entries,
      ),
    ),
  );
  const states = (await allPages(async (page) => l2pop.listNetworkStates(page))).flatMap((page) => page.networks);
  const hosts = (await allPages(async (page) => topology.listHosts(page))).flatMap((page) => page.hosts);
  const routers = await connections.routers();
  return {
    routers: (await allPages(async (page) => routers.listRouters({ ...page, name: '' }))).flatMap(
      (page) => page.routers,
    ),
    floatingIps: (await allPages(async (page) => routers.listFloatingIps(page))).flatMap((page) => page.floating_ips),
    subnets,
    leases,
    segmentRanges: (await allPages(async (page) => ipam.listSegmentRanges(page))).flatMap(
      (page) => page.segment_ranges,
    ),
    hosts: hosts.map(({ lease_expire_time: _l, ...host }) => host),
    networks,
    ports: (
      await allPages(async (page) => topology.listPorts({ ...page, network_id: '', binding_host_id: '', name: '' }))
    ).flatMap((page) => page.ports),
    entries,
    tables: states.map(({ network_id, revision, entry_count, vteps, hosts: progress }) => ({
      ...{ network_id, revision, entry_count, vteps },
      acked: progress.map(({ host_id, acked_revision }) => ({ host_id, acked_revision })),
    })),
  };
};

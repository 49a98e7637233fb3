import type { Connections } from '../../../cli/client/connections.ts';

interface Page {
  readonly next_page_token: string;
}

const all = async <P extends Page>(
  fetch: (page: { page_size: number; page_token: string }) => Promise<P>,
): Promise<readonly P[]> => {
  const pages: P[] = [];
  for (let page_token = ''; ;) {
    const page = await fetch({ page_size: 1000, page_token });
    pages.push(page);
    page_token = page.next_page_token;
    if (page_token === '') return pages;
  }
};

/** All that the services keep and people can read, but for what time alone changes: leases of hosts, reports, read-backs. */
export const wholeRecord = async (connections: Connections): Promise<Readonly<Record<string, unknown>>> => {
  const [ipam, topology, l2pop] = await Promise.all([connections.ipam(), connections.topology(), connections.l2pop()]);
  const subnets = (await all(async (page) => ipam.listSubnets({ ...page, network_id: '' }))).flatMap(
    (page) => page.subnets,
  );
  const leases = await Promise.all(
    subnets.map(async ({ id }) =>
      (await all(async (page) => ipam.listLeases({ ...page, subnet_id: id, owner_id: '' }))).flatMap(
        (page) => page.leases,
      ),
    ),
  );
  const networks = (await all(async (page) => topology.listNetworks({ ...page, name: '' }))).flatMap(
    (page) => page.networks,
  );
  const entries = await Promise.all(
    networks.map(async ({ id }) =>
      (await all(async (page) => l2pop.listForwardingEntries({ ...page, network_id: id }))).flatMap(
        (page) => page.entries,
      ),
    ),
  );
  const states = (await all(async (page) => l2pop.listNetworkStates(page))).flatMap((page) => page.networks);
  const hosts = (await all(async (page) => topology.listHosts(page))).flatMap((page) => page.hosts);
  return {
    subnets,
    leases,
    segmentRanges: (await all(async (page) => ipam.listSegmentRanges(page))).flatMap((page) => page.segment_ranges),
    hosts: hosts.map(({ lease_expire_time: _l, ...host }) => host),
    networks,
    ports: (
      await all(async (page) => topology.listPorts({ ...page, network_id: '', binding_host_id: '', name: '' }))
    ).flatMap((page) => page.ports),
    entries,
    tables: states.map(({ network_id, revision, entry_count, vteps, hosts: progress }) => ({
      ...{ network_id, revision, entry_count, vteps },
      acked: progress.map(({ host_id, acked_revision }) => ({ host_id, acked_revision })),
    })),
  };
};

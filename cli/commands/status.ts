import type { HostNetworkState } from '#proto/weft/l2pop/v1/l2pop.ts';
import type { Command } from '../command.ts';
import { allPages } from './resolve.ts';

/** `weft status` */
export const statusCommands: readonly Command[] = [
  {
    path: 'status',
    summary: 'hosts, how far they lag, and whether what they hold is right',
    details: 'Exit code 0 when every host is alive and in sync, 1 otherwise.',
    run: async ({ connections, output, signal }) => {
      const topology = await connections.topology();
      const l2pop = await connections.l2pop();
      const hosts = await allPages(async (page_token) => {
        const page = await topology.listHosts({ page_token, page_size: 1000 }, { signal });
        return { items: page.hosts, next: page.next_page_token };
      });
      const networks = await allPages(async (page_token) => {
        const page = await l2pop.listNetworkStates({ page_token, page_size: 1000 }, { signal });
        return { items: page.networks, next: page.next_page_token };
      });
      const of = (host: string): readonly HostNetworkState[] =>
        networks.flatMap((network) => network.hosts.filter(({ host_id }) => host_id === host));
      const rows = hosts.map((host) => {
        const states = of(host.id);
        return {
          host_id: host.id,
          status: host.status.replace('HOST_STATUS_', ''),
          vtep_address: host.vtep_address,
          networks: states.length,
          in_sync: states.filter(({ in_sync }) => in_sync).length,
          lag: states.reduce((most, { lag }) => Math.max(most, Number(lag)), 0),
          drift_repaired: states.reduce((sum, { drift_repaired }) => sum + drift_repaired, 0),
        };
      });
      output.rows(rows, [
        { title: 'HOST', value: ({ host_id }) => host_id },
        { title: 'STATUS', value: ({ status }) => status },
        { title: 'VTEP', value: ({ vtep_address }) => vtep_address },
        { title: 'NETWORKS', value: ({ networks: count }) => String(count) },
        { title: 'IN SYNC', value: ({ in_sync, networks: count }) => `${String(in_sync)}/${String(count)}` },
        { title: 'LAG', value: ({ lag }) => String(lag) },
        { title: 'DRIFT REPAIRED', value: ({ drift_repaired }) => String(drift_repaired) },
      ]);
      return rows.every(({ status, networks: count, in_sync }) => status === 'ACTIVE' && in_sync === count) ? 0 : 1;
    },
  },
];

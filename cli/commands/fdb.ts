import type { Command, CommandContext } from '../command.ts';
import { allPages, resolveNetwork } from './resolve.ts';

interface Row {
  readonly kind: string;
  readonly address: string;
  readonly via: string;
  readonly device: string;
}

const ofHost = async (
  { connections, output, signal }: CommandContext,
  networkId: string,
  host: string,
): Promise<void> => {
  const agent = await connections.agent(host);
  const table = await agent.getForwardingTable({ network_id: networkId }, { signal });
  if (output.machine) {
    output.data(table);
    return;
  }
  const rows: Row[] = [
    ...table.fdb.map((row) => ({
      kind: 'fdb',
      address: row.mac_address,
      via: row.vtep_address || 'local',
      device: row.device_name,
    })),
    ...table.neighbours.map((row) => ({
      kind: 'neigh',
      address: row.ip_address,
      via: row.mac_address,
      device: row.device_name,
    })),
    ...table.flood.map((vtep) => ({ kind: 'flood', address: '00:00:00:00:00:00', via: vtep, device: '' })),
  ];
  output.text(`network ${networkId} on host ${host}, read back from it, revision ${table.revision}`);
  output.rows(rows, [
    { title: 'KIND', value: ({ kind }) => kind },
    { title: 'ADDRESS', value: ({ address }) => address },
    { title: 'VIA', value: ({ via }) => via },
    { title: 'DEVICE', value: ({ device }) => device },
  ]);
};

const ofControlPlane = async ({ connections, output, signal }: CommandContext, networkId: string): Promise<void> => {
  const l2pop = await connections.l2pop();
  let revision = '0';
  const entries = await allPages(async (page_token) => {
    const page = await l2pop.listForwardingEntries({ network_id: networkId, page_size: 1000, page_token }, { signal });
    revision = page.revision;
    return { items: page.entries, next: page.next_page_token };
  });
  output.text(`network ${networkId} as l2pop has it, revision ${revision}`);
  output.rows(entries, [
    { title: 'MAC', value: ({ mac_address }) => mac_address },
    { title: 'ADDRESSES', value: ({ ip_addresses }) => ip_addresses.join(' ') },
    { title: 'HOST', value: ({ vtep }) => vtep?.host_id ?? '' },
    { title: 'VTEP', value: ({ vtep }) => vtep?.address ?? '' },
    { title: 'PORT', value: ({ port_id }) => port_id },
  ]);
};

/** `weft fdb …` */
export const fdbCommands: readonly Command[] = [
  {
    path: 'fdb show',
    summary: "a network's forwarding table: l2pop's, or what a host really has",
    args: ['NETWORK'],
    flags: { host: { type: 'string', value: 'HOST', doc: 'read it back from this host' } },
    run: async (context) => {
      const { id } = await resolveNetwork(context, context.args[0] ?? '');
      const host = context.flags.text('host');
      if (host === undefined) await ofControlPlane(context, id);
      else await ofHost(context, id, host);
      return undefined;
    },
  },
];

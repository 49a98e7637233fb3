import { randomUUID } from 'node:crypto';
import { FloatingIp } from '#proto/weft/topology/v1/topology.ts';
import type { Command, Flag } from '../command.ts';
import type { Column } from '../output/output.ts';
import { usageError } from '../usage.ts';
import { allPages, resolveFloatingIp, resolveNetwork, resolvePort } from './resolve.ts';

const columns: readonly Column<FloatingIp>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'ADDRESS', value: ({ floating_ip_address }) => floating_ip_address },
  { title: 'FIXED ADDRESS', value: ({ fixed_ip_address }) => fixed_ip_address || '-' },
  { title: 'PORT', value: ({ port_id }) => port_id || '-' },
  { title: 'ROUTER', value: ({ router_id }) => router_id || '-' },
  { title: 'STATUS', value: ({ status }) => status.replace('STATUS_', '') },
];

const fixedAddress: Flag = {
  type: 'string',
  value: 'ADDRESS',
  doc: "which of the port's IPv4 addresses, where it has several",
};

/** `weft floating-ip …` */
export const floatingIpCommands: readonly Command[] = [
  {
    path: 'floating-ip create',
    summary: 'take an address of an external network, and lead it to a port',
    args: ['NETWORK'],
    flags: {
      id: { type: 'string', value: 'UUID', doc: 'its id; made up when not given' },
      ip: { type: 'string', value: 'ADDRESS', doc: 'this address; the next free one when not given' },
      port: { type: 'string', value: 'PORT', doc: 'lead it to this port' },
      'fixed-address': fixedAddress,
    },
    run: async (context) => {
      const { args, flags, connections, output, signal } = context;
      const { id: floating_network_id } = await resolveNetwork(context, args[0] ?? '');
      const port = flags.text('port');
      const floating_ip = FloatingIp.fromPartial({
        id: flags.text('id') ?? '',
        floating_network_id,
        floating_ip_address: flags.text('ip') ?? '',
        port_id: port === undefined ? '' : (await resolvePort(context, port)).id,
        fixed_ip_address: flags.text('fixed-address') ?? '',
      });
      const routers = await connections.routers();
      const request = { floating_ip, request_id: randomUUID(), validate_only: false };
      output.object(await routers.createFloatingIp(request, { signal }));
      return undefined;
    },
  },
  {
    path: 'floating-ip list',
    summary: 'list floating IPs',
    run: async ({ connections, output, signal }) => {
      const routers = await connections.routers();
      const floatingIps = await allPages(async (page_token) => {
        const page = await routers.listFloatingIps({ page_token, page_size: 1000 }, { signal });
        return { items: page.floating_ips, next: page.next_page_token };
      });
      output.rows(floatingIps, columns);
      return undefined;
    },
  },
  {
    path: 'floating-ip show',
    summary: 'show a floating IP',
    args: ['FLOATING-IP'],
    details: 'By its id or its address.',
    run: async (context) => {
      context.output.object(await resolveFloatingIp(context, context.args[0] ?? ''));
      return undefined;
    },
  },
  {
    path: 'floating-ip update',
    summary: 'lead a floating IP to another port, or nowhere',
    args: ['FLOATING-IP'],
    details: 'By its id or its address.',
    flags: {
      port: { type: 'string', value: 'PORT', doc: 'lead it to this port; none: nowhere' },
      'fixed-address': fixedAddress,
    },
    run: async (context) => {
      const { args, flags, connections, output, signal } = context;
      const port = flags.text('port');
      const fields: Partial<FloatingIp> = {};
      if (port !== undefined) fields.port_id = port === 'none' ? '' : (await resolvePort(context, port)).id;
      if (flags.has('fixed-address')) fields.fixed_ip_address = flags.text('fixed-address') ?? '';
      const update_mask = Object.keys(fields);
      if (update_mask.length === 0) throw usageError('nothing to change: give --port or --fixed-address');
      const { id } = await resolveFloatingIp(context, args[0] ?? '');
      const routers = await connections.routers();
      const floating_ip = FloatingIp.fromPartial({ id, ...fields });
      const request = { floating_ip, update_mask, request_id: randomUUID(), validate_only: false };
      output.object(await routers.updateFloatingIp(request, { signal }));
      return undefined;
    },
  },
  {
    path: 'floating-ip delete',
    summary: 'give floating IPs back',
    args: ['FLOATING-IP...'],
    details: 'By their ids or their addresses.',
    run: async (context) => {
      const { args, connections, output, signal } = context;
      const routers = await connections.routers();
      for (const each of args) {
        const { id } = await resolveFloatingIp(context, each);
        await routers.deleteFloatingIp({ id, etag: '', request_id: randomUUID(), validate_only: false }, { signal });
        output.text(`deleted floating IP ${id}`);
      }
      return undefined;
    },
  },
];

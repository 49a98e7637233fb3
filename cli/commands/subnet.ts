import { randomUUID } from 'node:crypto';
import { Ipv6AddressMode, Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import type { Command, Flag, Flags } from '../command.ts';
import type { Column } from '../output/output.ts';
import { usageError } from '../usage.ts';
import { allPages, resolveNetwork, resolveSubnet } from './resolve.ts';

const columns: readonly Column<Subnet>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'NETWORK', value: ({ network_id }) => network_id },
  { title: 'CIDR', value: ({ cidr }) => cidr },
  { title: 'GATEWAY', value: ({ gateway_ip }) => gateway_ip ?? '-' },
  {
    title: 'POOLS',
    value: ({ allocation_pools }) => allocation_pools.map(({ start, end }) => `${start}-${end}`).join(' '),
  },
];

const changeable: Readonly<Record<string, Flag>> = {
  name: { type: 'string', value: 'NAME', doc: 'its name' },
  gateway: { type: 'string', value: 'ADDRESS', doc: 'address of the gateway; none: no gateway' },
  pool: { type: 'string', multiple: true, value: 'FIRST-LAST', doc: 'where addresses are taken from, in order' },
  dns: { type: 'string', multiple: true, value: 'ADDRESS', doc: 'name servers that guests get' },
  route: { type: 'string', multiple: true, value: 'CIDR,NEXTHOP', doc: 'routes that guests get' },
  dhcp: { type: 'boolean', doc: 'DHCP serves it' },
  'no-dhcp': { type: 'boolean', doc: 'DHCP does not serve it' },
};

const pair = (flag: string, text: string, separator: string): readonly [string, string] => {
  const [first, second, ...rest] = text.split(separator);
  if (first === undefined || second === undefined || rest.length > 0) {
    throw usageError(`--${flag}: "${text}" is not two values with "${separator}" between`);
  }
  return [first, second];
};

/** The fields that flags give, and the mask that names them. */
const given = (flags: Flags): { readonly fields: Partial<Subnet>; readonly mask: string[] } => {
  const fields: Partial<Subnet> = {};
  if (flags.has('name')) fields.name = flags.text('name') ?? '';
  if (flags.has('gateway')) fields.gateway_ip = flags.text('gateway') === 'none' ? '' : (flags.text('gateway') ?? '');
  if (flags.has('pool')) {
    fields.allocation_pools = flags.list('pool').map((text) => {
      const [start, end] = pair('pool', text, '-');
      return { start, end };
    });
  }
  if (flags.has('dns')) fields.dns_nameservers = [...flags.list('dns')];
  if (flags.has('route')) {
    fields.host_routes = flags.list('route').map((text) => {
      const [destination, nexthop] = pair('route', text, ',');
      return { destination, nexthop };
    });
  }
  const dhcp = flags.choice('dhcp');
  if (dhcp !== undefined) fields.enable_dhcp = dhcp;
  return { fields, mask: Object.keys(fields) };
};

const MODES: Readonly<Record<string, Ipv6AddressMode>> = {
  'dhcpv6-stateful': Ipv6AddressMode.IPV6_ADDRESS_MODE_DHCPV6_STATEFUL,
  'dhcpv6-stateless': Ipv6AddressMode.IPV6_ADDRESS_MODE_DHCPV6_STATELESS,
  slaac: Ipv6AddressMode.IPV6_ADDRESS_MODE_SLAAC,
};

const ipv6Mode = (flags: Flags): Partial<Subnet> => {
  const text = flags.text('ipv6-mode');
  if (text === undefined) return {};
  const mode = MODES[text];
  if (mode === undefined) throw usageError(`--ipv6-mode: "${text}" is not ${Object.keys(MODES).join(', ')}`);
  return { ipv6_address_mode: mode };
};

/** `weft subnet …` */
export const subnetCommands: readonly Command[] = [
  {
    path: 'subnet create',
    summary: 'create a subnet of a network',
    args: ['NETWORK', 'CIDR'],
    flags: {
      id: { type: 'string', value: 'UUID', doc: 'its id; made up when not given' },
      'ipv6-mode': {
        type: 'string',
        value: 'MODE',
        doc: 'how guests of IPv6 get addresses: dhcpv6-stateful (default), dhcpv6-stateless or slaac',
      },
      ...changeable,
    },
    run: async (context) => {
      const { args, flags, connections, output, signal } = context;
      const mode = ipv6Mode(flags);
      const { id: network_id } = await resolveNetwork(context, args[0] ?? '');
      const ipam = await connections.ipam();
      const subnet = Subnet.fromPartial({
        id: flags.text('id') ?? '',
        network_id,
        cidr: args[1] ?? '',
        ...mode,
        ...given(flags).fields,
      });
      output.object(await ipam.createSubnet({ subnet, request_id: randomUUID(), validate_only: false }, { signal }));
      return undefined;
    },
  },
  {
    path: 'subnet list',
    summary: 'list subnets',
    flags: { network: { type: 'string', value: 'NETWORK', doc: 'only of this network' } },
    run: async (context) => {
      const { flags, connections, output, signal } = context;
      const network = flags.text('network');
      const network_id = network === undefined ? '' : (await resolveNetwork(context, network)).id;
      const ipam = await connections.ipam();
      const subnets = await allPages(async (page_token) => {
        const page = await ipam.listSubnets({ page_token, page_size: 1000, network_id }, { signal });
        return { items: page.subnets, next: page.next_page_token };
      });
      output.rows(subnets, columns);
      return undefined;
    },
  },
  {
    path: 'subnet get',
    summary: 'show a subnet',
    args: ['SUBNET'],
    run: async (context) => {
      context.output.object(await resolveSubnet(context, context.args[0] ?? ''));
      return undefined;
    },
  },
  {
    path: 'subnet update',
    summary: 'change a subnet',
    args: ['SUBNET'],
    flags: changeable,
    run: async (context) => {
      const { args, flags, connections, output, signal } = context;
      const { fields, mask } = given(flags);
      if (mask.length === 0) throw usageError('nothing to change: give at least one flag');
      const ipam = await connections.ipam();
      const subnet = { ...(await resolveSubnet(context, args[0] ?? '')), ...fields };
      const request = { subnet, update_mask: mask, request_id: randomUUID(), validate_only: false };
      output.object(await ipam.updateSubnet(request, { signal }));
      return undefined;
    },
  },
  {
    path: 'subnet delete',
    summary: 'delete subnets without leased addresses',
    args: ['SUBNET...'],
    run: async (context) => {
      const { args, connections, output, signal } = context;
      const ipam = await connections.ipam();
      for (const nameOrId of args) {
        const { id } = await resolveSubnet(context, nameOrId);
        await ipam.deleteSubnet({ id, etag: '', request_id: randomUUID(), validate_only: false }, { signal });
        output.text(`deleted subnet ${id}`);
      }
      return undefined;
    },
  },
];

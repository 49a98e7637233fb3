import { randomUUID } from 'node:crypto';
import { type ExternalGateway, type Route, Router } from '#proto/weft/topology/v1/topology.ts';
import type { Command, CommandContext, Flag, Flags } from '../command.ts';
import type { Column } from '../output/output.ts';
import { table } from '../output/table.ts';
import { usageError } from '../usage.ts';
import { allPages, resolveNetwork, resolvePort, resolveRouter, resolveSubnet } from './resolve.ts';

const addresses = (fixedIps: readonly { readonly ip_address: string }[]): string =>
  fixedIps.map(({ ip_address }) => ip_address).join(' ');

const status = ({ status: text }: Router): string => text.replace('STATUS_', '');

const columns: readonly Column<Router>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'GATEWAY', value: ({ external_gateway: gateway }) => (gateway ? addresses(gateway.fixed_ips) : '-') },
  {
    title: 'INTERFACES',
    value: ({ interfaces }) => interfaces.map((one) => addresses(one.fixed_ips)).join(' ') || '-',
  },
  { title: 'HOST', value: ({ binding_host_id }) => binding_host_id || '-' },
  { title: 'STATUS', value: status },
];

const changeable: Readonly<Record<string, Flag>> = {
  host: { type: 'string', value: 'HOST', doc: 'serve it on that host, which is of role network' },
  route: { type: 'string', multiple: true, value: 'CIDR,NEXTHOP', doc: 'a static route; all it has are given at once' },
  up: { type: 'boolean', doc: 'administratively up' },
  'no-up': { type: 'boolean', doc: 'administratively down: no host serves it' },
};

const gatewayFlags: Readonly<Record<string, Flag>> = {
  'gateway-ip': {
    type: 'string',
    multiple: true,
    value: 'ADDRESS',
    doc: 'its addresses there; the next free otherwise',
  },
  'no-snat': { type: 'boolean', doc: 'IPv4 sources inside keep their addresses outside' },
};

const readRoutes = (flags: Flags): Route[] =>
  flags.list('route').map((text) => {
    const [destination, nexthop, ...rest] = text.split(',');
    if (destination === undefined || nexthop === undefined || rest.length > 0) {
      throw usageError(`--route: "${text}" is not CIDR,NEXTHOP`);
    }
    return { destination, nexthop };
  });

const gatewayOn = (networkId: string, flags: Flags): ExternalGateway => ({
  network_id: networkId,
  fixed_ips: flags.list('gateway-ip').map((ip_address) => ({ subnet_id: '', ip_address })),
  enable_snat: !flags.on('no-snat'),
  port_id: '',
});

const changes = (flags: Flags): Partial<Router> => {
  const fields: Partial<Router> = {};
  if (flags.has('name')) fields.name = flags.text('name') ?? '';
  if (flags.has('host')) fields.binding_host_id = flags.text('host') ?? '';
  if (flags.has('route')) fields.routes = readRoutes(flags);
  if (flags.on('no-routes')) fields.routes = [];
  const up = flags.choice('up');
  if (up !== undefined) fields.admin_state_up = up;
  return fields;
};

/** Sends the fields that change, and shows the router. */
const update = async (context: CommandContext, fields: Partial<Router>, mask: readonly string[]): Promise<void> => {
  const { args, connections, signal } = context;
  const { id } = await resolveRouter(context, args[0] ?? '');
  const request = {
    router: Router.fromPartial({ id, ...fields }),
    update_mask: [...mask],
    request_id: randomUUID(),
    validate_only: false,
  };
  show(context, await (await connections.routers()).updateRouter(request, { signal }));
};

const show = ({ output }: Pick<CommandContext, 'output'>, router: Router): void => {
  output.data(router);
  if (output.machine) return;
  const { external_gateway: gateway, interfaces, routes, ...rest } = router;
  output.object(rest);
  if (gateway !== undefined) output.text(`source NAT of IPv4: ${gateway.enable_snat === false ? 'no' : 'yes'}`);
  const ports = [
    ...(gateway === undefined ? [] : [{ role: 'gateway', ...gateway }]),
    ...interfaces.map((one) => ({ role: 'interface', ...one })),
  ];
  const rows = ports.map(({ role, network_id, port_id, fixed_ips }) => [
    role,
    network_id,
    port_id,
    addresses(fixed_ips),
  ]);
  if (rows.length > 0) output.text(`\n${table(['PORT OF', 'NETWORK', 'PORT', 'ADDRESSES'], rows)}`);
  const ways = routes.map(({ destination, nexthop }) => [destination, nexthop]);
  if (ways.length > 0) output.text(`\n${table(['ROUTE TO', 'BY'], ways)}`);
};

/** The subnet named as second argument, or the port of `--port`. */
const choiceOf = async (context: CommandContext) => {
  const { args, flags } = context;
  const [router = '', subnet] = args;
  const port = flags.text('port');
  if ((subnet === undefined) === (port === undefined)) throw usageError('give either SUBNET or --port');
  const { id: router_id } = await resolveRouter(context, router);
  return {
    router_id,
    subnet_id: subnet === undefined ? '' : (await resolveSubnet(context, subnet)).id,
    port_id: port === undefined ? '' : (await resolvePort(context, port)).id,
    request_id: randomUUID(),
    validate_only: false,
  };
};

/** `weft router …` */
export const routerCommands: readonly Command[] = [
  {
    path: 'router create',
    summary: 'create a router',
    args: ['[NAME]'],
    flags: {
      id: { type: 'string', value: 'UUID', doc: 'its id; made up when not given' },
      gateway: { type: 'string', value: 'NETWORK', doc: 'external network of its gateway' },
      ...gatewayFlags,
      ...changeable,
    },
    run: async (context) => {
      const { args, flags, connections, signal } = context;
      const network = flags.text('gateway');
      if (network === undefined && (flags.has('gateway-ip') || flags.has('no-snat'))) {
        throw usageError('--gateway-ip and --no-snat need --gateway');
      }
      const external_gateway =
        network === undefined ? undefined : gatewayOn((await resolveNetwork(context, network)).id, flags);
      const router = Router.fromPartial({
        id: flags.text('id') ?? '',
        name: args[0] ?? '',
        ...changes(flags),
        ...(external_gateway !== undefined && { external_gateway }),
      });
      const routers = await connections.routers();
      show(context, await routers.createRouter({ router, request_id: randomUUID(), validate_only: false }, { signal }));
      return undefined;
    },
  },
  {
    path: 'router list',
    summary: 'list routers',
    run: async ({ connections, output, signal }) => {
      const client = await connections.routers();
      const routers = await allPages(async (page_token) => {
        const page = await client.listRouters({ page_token, page_size: 1000, name: '' }, { signal });
        return { items: page.routers, next: page.next_page_token };
      });
      output.rows(routers, columns);
      return undefined;
    },
  },
  {
    path: 'router show',
    summary: 'show a router: its ports, its gateway, its host',
    args: ['ROUTER'],
    run: async (context) => {
      show(context, await resolveRouter(context, context.args[0] ?? ''));
      return undefined;
    },
  },
  {
    path: 'router update',
    summary: 'change a router',
    args: ['ROUTER'],
    flags: {
      name: { type: 'string', value: 'NAME', doc: 'its new name' },
      ...changeable,
      'no-routes': { type: 'boolean', doc: 'no static routes any more' },
    },
    run: async (context) => {
      const fields = changes(context.flags);
      const mask = Object.keys(fields);
      if (mask.length === 0) throw usageError('nothing to change: give at least one flag');
      await update(context, fields, mask);
      return undefined;
    },
  },
  {
    path: 'router delete',
    summary: 'delete routers without interfaces',
    args: ['ROUTER...'],
    run: async (context) => {
      const { args, connections, output, signal } = context;
      const routers = await connections.routers();
      for (const each of args) {
        const { id } = await resolveRouter(context, each);
        await routers.deleteRouter({ id, etag: '', request_id: randomUUID(), validate_only: false }, { signal });
        output.text(`deleted router ${id}`);
      }
      return undefined;
    },
  },
  {
    path: 'router interface add',
    summary: "give a router an interface: the subnet's gateway, or a port that no device has",
    args: ['ROUTER', '[SUBNET]'],
    flags: { port: { type: 'string', value: 'PORT', doc: 'this port, with the addresses it has' } },
    run: async (context) => {
      const request = await choiceOf(context);
      const routers = await context.connections.routers();
      show(context, await routers.addRouterInterface(request, { signal: context.signal }));
      return undefined;
    },
  },
  {
    path: 'router interface remove',
    summary: 'take an interface of a router away, and its port',
    args: ['ROUTER', '[SUBNET]'],
    flags: { port: { type: 'string', value: 'PORT', doc: 'the one of this port' } },
    run: async (context) => {
      const request = await choiceOf(context);
      const routers = await context.connections.routers();
      show(context, await routers.removeRouterInterface(request, { signal: context.signal }));
      return undefined;
    },
  },
  {
    path: 'router gateway set',
    summary: 'give a router its way out, on an external network',
    args: ['ROUTER', 'NETWORK'],
    flags: gatewayFlags,
    run: async (context) => {
      const { id } = await resolveNetwork(context, context.args[1] ?? '');
      await update(context, { external_gateway: gatewayOn(id, context.flags) }, ['external_gateway']);
      return undefined;
    },
  },
  {
    path: 'router gateway clear',
    summary: 'take the way out of a router away',
    args: ['ROUTER'],
    run: async (context) => {
      await update(context, {}, ['external_gateway']);
      return undefined;
    },
  },
];

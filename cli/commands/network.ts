import { randomUUID } from 'node:crypto';
import { Network } from '#proto/weft/topology/v1/topology.ts';
import { NetworkType } from '#proto/weft/type/v1/network.ts';
import type { Command, Flag, Flags } from '../command.ts';
import type { Column } from '../output/output.ts';
import { usageError } from '../usage.ts';
import { allPages, resolveNetwork, wholeNumber } from './resolve.ts';

const short = (value: string, prefix: string): string => value.replace(prefix, '').toLowerCase();

const columns: readonly Column<Network>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'TYPE', value: ({ network_type }) => short(network_type, 'NETWORK_TYPE_') },
  { title: 'VNI/VLAN', value: ({ segmentation_id }) => (segmentation_id === 0 ? '-' : String(segmentation_id)) },
  { title: 'MTU', value: ({ mtu }) => String(mtu) },
  { title: 'STATUS', value: ({ status }) => short(status, 'STATUS_').toUpperCase() },
];

const TYPES: Readonly<Record<string, NetworkType>> = {
  vxlan: NetworkType.NETWORK_TYPE_VXLAN,
  flat: NetworkType.NETWORK_TYPE_FLAT,
  vlan: NetworkType.NETWORK_TYPE_VLAN,
};

const changeable: Readonly<Record<string, Flag>> = {
  mtu: { type: 'string', value: 'BYTES', doc: 'what guests may send in one frame' },
  up: { type: 'boolean', doc: 'administratively up' },
  'no-up': { type: 'boolean', doc: 'administratively down: takes all its ports down' },
  'auto-ports': { type: 'boolean', doc: 'an unknown device in its bridge becomes a port of its own' },
  'no-auto-ports': { type: 'boolean', doc: 'the opposite' },
  external: { type: 'boolean', doc: 'routers may have their gateway on it, and floating IPs be taken from it' },
  'no-external': { type: 'boolean', doc: 'the opposite' },
  shared: { type: 'boolean', doc: 'everybody may use it; for those who give networks to others' },
  'no-shared': { type: 'boolean', doc: 'the opposite' },
  'port-security': { type: 'boolean', doc: 'new ports may send what is theirs only (the default)' },
  'no-port-security': { type: 'boolean', doc: 'new ports may send anything' },
};

/** The yes and no that flags say, as the API calls it. */
const choices = (flags: Flags): Partial<Network> => {
  const given = {
    admin_state_up: flags.choice('up'),
    auto_ports: flags.choice('auto-ports'),
    external: flags.choice('external'),
    shared: flags.choice('shared'),
    port_security_enabled: flags.choice('port-security'),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
};

const segmentationId = (flags: Flags, type: NetworkType): number => {
  if (flags.has('vni') && flags.has('vlan')) throw usageError('--vlan: does not go with --vni');
  if (flags.has('vlan') && type !== NetworkType.NETWORK_TYPE_VLAN) throw usageError('--vlan: needs --type vlan');
  return flags.has('vlan') ? wholeNumber('vlan', flags.text('vlan')) : wholeNumber('vni', flags.text('vni'));
};

/** `weft network …` */
export const networkCommands: readonly Command[] = [
  {
    path: 'network create',
    summary: 'create a network',
    args: ['[NAME]'],
    flags: {
      id: { type: 'string', value: 'UUID', doc: 'its id; made up when not given' },
      type: { type: 'string', value: 'TYPE', doc: 'vxlan (default), flat or vlan' },
      vni: { type: 'string', value: 'NUMBER', doc: 'VNI of vxlan; the next free one when not given' },
      vlan: { type: 'string', value: 'NUMBER', doc: 'VLAN ID of vlan; the next free one when not given' },
      'physical-network': { type: 'string', value: 'NAME', doc: 'of flat and vlan' },
      ...changeable,
    },
    run: async ({ args, flags, connections, output, signal }) => {
      const type = TYPES[flags.text('type') ?? 'vxlan'];
      if (type === undefined) throw usageError(`--type: "${flags.text('type') ?? ''}" is not vxlan, flat or vlan`);
      const network = Network.fromPartial({
        id: flags.text('id') ?? '',
        name: args[0] ?? '',
        network_type: type,
        segmentation_id: segmentationId(flags, type),
        physical_network: flags.text('physical-network') ?? '',
        mtu: wholeNumber('mtu', flags.text('mtu')),
        auto_ports: false,
        ...choices(flags),
      });
      const topology = await connections.topology();
      output.object(
        await topology.createNetwork({ network, request_id: randomUUID(), validate_only: false }, { signal }),
      );
      return undefined;
    },
  },
  {
    path: 'network list',
    summary: 'list networks',
    run: async ({ connections, output, signal }) => {
      const topology = await connections.topology();
      const networks = await allPages(async (page_token) => {
        const page = await topology.listNetworks({ page_token, page_size: 1000, name: '' }, { signal });
        return { items: page.networks, next: page.next_page_token };
      });
      output.rows(networks, columns);
      return undefined;
    },
  },
  {
    path: 'network get',
    summary: 'show a network',
    args: ['NETWORK'],
    run: async (context) => {
      context.output.object(await resolveNetwork(context, context.args[0] ?? ''));
      return undefined;
    },
  },
  {
    path: 'network update',
    summary: 'change a network',
    args: ['NETWORK'],
    flags: { name: { type: 'string', value: 'NAME', doc: 'its new name' }, ...changeable },
    run: async (context) => {
      const { flags, connections, output, signal } = context;
      const network = { ...(await resolveNetwork(context, context.args[0] ?? '')) };
      const update_mask: string[] = [];
      if (flags.has('name')) {
        network.name = flags.text('name') ?? '';
        update_mask.push('name');
      }
      if (flags.has('mtu')) {
        network.mtu = wholeNumber('mtu', flags.text('mtu'));
        update_mask.push('mtu');
      }
      const chosen = choices(flags);
      Object.assign(network, chosen);
      update_mask.push(...Object.keys(chosen));
      if (update_mask.length === 0) throw usageError('nothing to change: give at least one flag');
      const topology = await connections.topology();
      const request = { network, update_mask, request_id: randomUUID(), validate_only: false };
      output.object(await topology.updateNetwork(request, { signal }));
      return undefined;
    },
  },
  {
    path: 'network delete',
    summary: 'delete networks without ports and subnets',
    args: ['NETWORK...'],
    run: async (context) => {
      const { args, connections, output, signal } = context;
      const topology = await connections.topology();
      for (const each of args) {
        const { id } = await resolveNetwork(context, each);
        await topology.deleteNetwork({ id, etag: '', request_id: randomUUID(), validate_only: false }, { signal });
        output.text(`deleted network ${id}`);
      }
      return undefined;
    },
  },
];

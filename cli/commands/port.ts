import { randomUUID } from 'node:crypto';
import { Port, Status } from '#proto/weft/topology/v1/topology.ts';
import { NetworkType, type AddressPair, type FixedIp } from '#proto/weft/type/v1/network.ts';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Command, CommandContext, Flag } from '../command.ts';
import type { Column } from '../output/output.ts';
import { EXIT, usageError } from '../usage.ts';
import { portShowCommand } from './port-show.ts';
import { allPages, resolveNetwork, resolvePort, wholeNumber } from './resolve.ts';

const columns: readonly Column<Port>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'NETWORK', value: ({ network_id }) => network_id },
  { title: 'MAC', value: ({ mac_address }) => mac_address },
  { title: 'ADDRESSES', value: ({ fixed_ips }) => fixed_ips.map(({ ip_address }) => ip_address).join(' ') },
  { title: 'HOST', value: ({ binding_host_id }) => binding_host_id || '-' },
  { title: 'STATUS', value: ({ status }) => status.replace('STATUS_', '') },
];

const changeable: Readonly<Record<string, Flag>> = {
  name: { type: 'string', value: 'NAME', doc: 'its name' },
  host: { type: 'string', value: 'HOST', doc: 'bind it to that host without waiting for a device; none: unbind it' },
  'device-id': { type: 'string', value: 'ID', doc: 'what it belongs to: a VM, for example' },
  'device-owner': { type: 'string', value: 'KIND', doc: 'what kind of thing that is, e.g. compute:kvm' },
  'allowed-address': {
    type: 'string',
    multiple: true,
    value: 'IP[,MAC]',
    doc: 'a further source address that it may use',
  },
  up: { type: 'boolean', doc: 'administratively up' },
  'no-up': { type: 'boolean', doc: 'administratively down' },
  'port-security': { type: 'boolean', doc: 'it may send what is its own only (the default of its network holds)' },
  'no-port-security': { type: 'boolean', doc: 'it may send anything' },
};

const changes = ({ flags }: CommandContext): { readonly fields: Partial<Port>; readonly mask: string[] } => {
  const fields: Partial<Port> = {};
  if (flags.has('name')) fields.name = flags.text('name') ?? '';
  if (flags.has('host')) fields.binding_host_id = flags.text('host') === 'none' ? '' : (flags.text('host') ?? '');
  if (flags.has('device-id')) fields.device_id = flags.text('device-id') ?? '';
  if (flags.has('device-owner')) fields.device_owner = flags.text('device-owner') ?? '';
  if (flags.has('allowed-address')) {
    fields.allowed_address_pairs = flags.list('allowed-address').map((text): AddressPair => {
      const [ip_address = '', mac_address = ''] = text.split(',');
      return { ip_address, mac_address };
    });
  }
  const up = flags.choice('up');
  if (up !== undefined) fields.admin_state_up = up;
  const checked = flags.choice('port-security');
  if (checked !== undefined) fields.port_security_enabled = checked;
  return { fields, mask: Object.keys(fields) };
};

const fixedIp = (text: string): FixedIp => {
  const fields: FixedIp = { subnet_id: '', ip_address: '' };
  for (const part of text.split(',')) {
    const [key, value = ''] = part.split('=', 2);
    if (key === 'ip') fields.ip_address = value;
    else if (key === 'subnet') fields.subnet_id = value;
    else throw usageError(`--fixed-ip: "${text}" is not ip=ADDRESS, subnet=ID or both with a comma`);
  }
  return fields;
};

const wait = async (context: CommandContext): Promise<number> => {
  const { args, flags, connections, output, signal } = context;
  const timeoutMs = wholeNumber('timeout', flags.text('timeout') ?? '30') * 1000;
  const topology = await connections.topology();
  const l2pop = await connections.l2pop();
  const started = performance.now();
  const left = (): number => timeoutMs - (performance.now() - started);
  let port = await resolvePort(context, args[0] ?? '');
  let told = false;
  while (port.status !== Status.STATUS_ACTIVE) {
    if (port.status === Status.STATUS_ERROR) {
      throw new DomainError('precondition', 'PORT_ERROR', `port ${port.id} cannot be served: ${port.status_message}`);
    }
    if (left() <= 0)
      throw new DomainError('deadline', 'PORT_NOT_ACTIVE', `port ${port.id} is ${port.status.replace('STATUS_', '')}`);
    if (!told && performance.now() - started > 1000) {
      output.note(`waiting for a device of port ${port.id} ...`);
      told = true;
    }
    await sleep(25, signal);
    port = await topology.getPort({ id: port.id }, { signal });
  }
  const { network_type, physical_network } = await topology.getNetwork({ id: port.network_id }, { signal });
  if (network_type !== NetworkType.NETWORK_TYPE_VXLAN) {
    // No table that hosts would have to hold: where a station is they learn from what it sends.
    output.text(
      `port ${port.id} is on ${port.binding_host_id}; others find it through physical network ${physical_network}`,
    );
    output.data({ port_id: port.id, binding_host_id: port.binding_host_id, revision: '0', converged: true });
    return EXIT.ok ?? 0;
  }
  // The table has the port only after topology said so; a revision without it would be no news.
  for (;;) {
    const { entries } = await l2pop.listForwardingEntries(
      { network_id: port.network_id, page_size: 1000, page_token: '' },
      { signal },
    );
    if (entries.some(({ port_id, generation }) => port_id === port.id && generation === port.binding_generation)) break;
    if (entries.length >= 1000 || left() <= 0) break;
    await sleep(10, signal);
  }
  const timeout = { seconds: String(Math.max(1, Math.ceil(left() / 1000))), nanos: 0 };
  const stream = l2pop.waitForConvergence({ network_id: port.network_id, revision: '0', timeout }, { signal });
  for await (const { converged, lagging, elapsed_ms, revision } of stream) {
    if (!converged && elapsed_ms > 1000) output.note(`waiting for ${lagging.map(({ host_id }) => host_id).join(', ')}`);
    if (!converged) continue;
    output.text(`port ${port.id} is on ${port.binding_host_id}; every host holds revision ${revision}`);
    output.data({ port_id: port.id, binding_host_id: port.binding_host_id, revision, converged });
  }
  return EXIT.ok ?? 0;
};

/** `weft port …` */
export const portCommands: readonly Command[] = [
  {
    path: 'port create',
    summary: 'create a port; its MAC and IP addresses are taken from IPAM',
    args: ['NETWORK'],
    flags: {
      id: { type: 'string', value: 'UUID', doc: 'its id; made up when not given' },
      mac: { type: 'string', value: 'MAC', doc: 'its MAC address; one of fa:16:3e when not given' },
      'fixed-ip': {
        type: 'string',
        multiple: true,
        value: 'ip=...,subnet=...',
        doc: 'its addresses; one of each IP version when not given',
      },
      ...changeable,
    },
    run: async (context) => {
      const { args, flags, connections, output, signal } = context;
      const { id: network_id } = await resolveNetwork(context, args[0] ?? '');
      const port = Port.fromPartial({
        id: flags.text('id') ?? '',
        network_id,
        mac_address: flags.text('mac') ?? '',
        fixed_ips: flags.list('fixed-ip').map(fixedIp),
        ...changes(context).fields,
      });
      const topology = await connections.topology();
      output.object(await topology.createPort({ port, request_id: randomUUID(), validate_only: false }, { signal }));
      return undefined;
    },
  },
  {
    path: 'port list',
    summary: 'list ports',
    flags: {
      network: { type: 'string', value: 'NETWORK', doc: 'only of this network' },
      host: { type: 'string', value: 'HOST', doc: 'only those bound to this host' },
    },
    run: async (context) => {
      const { flags, connections, output, signal } = context;
      const network = flags.text('network');
      const network_id = network === undefined ? '' : (await resolveNetwork(context, network)).id;
      const topology = await connections.topology();
      const filters = { network_id, binding_host_id: flags.text('host') ?? '', name: '' };
      const ports = await allPages(async (page_token) => {
        const page = await topology.listPorts({ ...filters, page_token, page_size: 1000 }, { signal });
        return { items: page.ports, next: page.next_page_token };
      });
      output.rows(ports, columns);
      return undefined;
    },
  },
  {
    path: 'port get',
    summary: 'show a port',
    args: ['PORT'],
    run: async (context) => {
      context.output.object(await resolvePort(context, context.args[0] ?? ''));
      return undefined;
    },
  },
  portShowCommand,
  {
    path: 'port update',
    summary: 'change a port',
    args: ['PORT'],
    flags: changeable,
    run: async (context) => {
      const { fields, mask } = changes(context);
      if (mask.length === 0) throw usageError('nothing to change: give at least one flag');
      const port = { ...(await resolvePort(context, context.args[0] ?? '')), ...fields };
      const topology = await context.connections.topology();
      const request = { port, update_mask: mask, request_id: randomUUID(), validate_only: false };
      context.output.object(await topology.updatePort(request, { signal: context.signal }));
      return undefined;
    },
  },
  {
    path: 'port delete',
    summary: 'delete ports, their bindings and addresses',
    args: ['PORT...'],
    run: async (context) => {
      const { args, connections, output, signal } = context;
      const topology = await connections.topology();
      for (const each of args) {
        const { id } = await resolvePort(context, each);
        await topology.deletePort({ id, etag: '', request_id: randomUUID(), validate_only: false }, { signal });
        output.text(`deleted port ${id}`);
      }
      return undefined;
    },
  },
  {
    path: 'port wait',
    summary: 'wait until a port has a device and every host reaches it',
    args: ['PORT'],
    flags: { timeout: { type: 'string', value: 'SECONDS', doc: 'give up after that long (default 30): exit code 7' } },
    run: wait,
  },
];

import { LibvirtNetwork } from '#proto/weft/agent/v1/libvirt.ts';
import type { OperationResult } from '#proto/weft/agent/v1/agent.ts';
import type { Command, CommandContext, Flag } from '../command.ts';
import type { Output } from '../output/output.ts';
import { usageError } from '../usage.ts';
import { resolveNetwork } from './resolve.ts';

const HOST: Flag = { type: 'string', value: 'HOST', doc: 'in a lab: the host whose libvirt is meant' };
const DRY_RUN: Flag = { type: 'boolean', doc: 'print the commands that would be done, one per line, and do nothing' };

const libvirtOf = async ({ flags, connections }: CommandContext) => await connections.libvirt(flags.text('host') ?? '');

/** The commands, as they can be pasted; how each went where that is known. Resolves with the exit code. */
const showResults = (output: Output, results: readonly OperationResult[], isPlan: boolean): number => {
  for (const { operation, done, error } of results) {
    const command = operation?.command ?? '';
    if (isPlan) output.text(command);
    else output.text(done ? `$ ${command}` : `! ${command}: ${error}`);
  }
  return !isPlan && results.some(({ done }) => !done) ? 1 : 0;
};

const warn = (output: Output, { problems }: LibvirtNetwork): void => {
  if (output.machine) return;
  for (const { message, cure } of problems) output.note(`${message}; mend it: ${cure}`);
};

const apply = async (context: CommandContext): Promise<number> => {
  const { args, flags, output, signal } = context;
  const [bridge, wanted] = [flags.text('bridge'), flags.text('network')];
  if ((bridge === undefined) === (wanted === undefined)) throw usageError('give --network or --bridge, one of them');
  const network = LibvirtNetwork.fromPartial({
    name: args[0] ?? '',
    target:
      wanted === undefined
        ? { $case: 'bridge', value: bridge ?? '' }
        : { $case: 'network_id', value: (await resolveNetwork(context, wanted)).id },
    autostart: !flags.on('no-autostart'),
  });
  const isPlan = flags.on('dry-run');
  const request = { network, force: flags.on('force'), validate_only: isPlan };
  const answer = await (await libvirtOf(context)).applyLibvirtNetwork(request, { signal });
  output.data(answer);
  const code = showResults(output, answer.results, isPlan);
  if (answer.network !== undefined) {
    const { name, bridge_name, active } = answer.network;
    if (!isPlan) output.text(`libvirt network ${name}: bridge ${bridge_name}, ${active ? 'active' : 'not active'}`);
    warn(output, answer.network);
  }
  return code;
};

const COLUMNS = [
  { title: 'NAME', value: ({ name }: LibvirtNetwork) => name },
  { title: 'BRIDGE', value: ({ bridge_name }: LibvirtNetwork) => bridge_name },
  { title: 'SWITCH', value: ({ openvswitch }: LibvirtNetwork) => (openvswitch ? 'openvswitch' : 'kernel') },
  { title: 'MTU', value: ({ mtu }: LibvirtNetwork) => (mtu === 0 ? '-' : mtu.toString()) },
  { title: 'STATE', value: ({ active }: LibvirtNetwork) => (active ? 'active' : 'inactive') },
  { title: 'AUTOSTART', value: ({ autostart }: LibvirtNetwork) => (autostart === true ? 'yes' : 'no') },
  { title: 'APPLIED', value: ({ managed }: LibvirtNetwork) => (managed ? 'yes' : 'no') },
  {
    title: 'MACHINES',
    value: ({ cards }: LibvirtNetwork) => cards.map(({ domain_name }) => domain_name).join(' ') || '-',
  },
];

const show = (output: Output, networks: readonly LibvirtNetwork[]): void => {
  output.rows(networks, COLUMNS);
  for (const network of networks) warn(output, network);
};

/** `weft libvirt …` */
export const libvirtCommands: readonly Command[] = [
  {
    path: 'libvirt network apply',
    summary: "make a host's libvirt have a network that leads into a network of the mesh, or into a bridge",
    args: ['NAME'],
    flags: {
      host: HOST,
      network: { type: 'string', value: 'NETWORK', doc: 'of the mesh' },
      bridge: { type: 'string', value: 'BRIDGE', doc: "of Open vSwitch or the kernel, an overlay's for example" },
      'no-autostart': { type: 'boolean', doc: 'do not start it with libvirt' },
      force: { type: 'boolean', doc: "also when it is another's, or running machines must be plugged again" },
      'dry-run': DRY_RUN,
    },
    run: apply,
  },
  {
    path: 'libvirt network get',
    summary: "show a network of a host's libvirt, and what is wrong with it",
    args: ['NAME'],
    flags: { host: HOST },
    run: async (context) => {
      const { args, output, signal } = context;
      const network = await (await libvirtOf(context)).getLibvirtNetwork({ name: args[0] ?? '' }, { signal });
      show(output, [network]);
      return network.problems.length === 0 ? 0 : 1;
    },
  },
  {
    path: 'libvirt network list',
    summary: "list all networks of a host's libvirt, and what is wrong with them",
    flags: { host: HOST },
    run: async (context) => {
      const { networks } = await (await libvirtOf(context)).listLibvirtNetworks({}, { signal: context.signal });
      show(context.output, networks);
      return undefined;
    },
  },
  {
    path: 'libvirt network delete',
    summary: "stop and undefine a network of a host's libvirt that was applied",
    args: ['NAME'],
    flags: {
      host: HOST,
      force: { type: 'boolean', doc: 'also while running machines have cards in it; they stay plugged' },
      'dry-run': DRY_RUN,
    },
    run: async (context) => {
      const { args, flags, output, signal } = context;
      const isPlan = flags.on('dry-run');
      const request = { name: args[0] ?? '', force: flags.on('force'), validate_only: isPlan };
      const answer = await (await libvirtOf(context)).deleteLibvirtNetwork(request, { signal });
      output.data(answer);
      return showResults(output, answer.results, isPlan);
    },
  },
];

import { EventKind, type OperationResult } from '#proto/weft/agent/v1/agent.ts';
import { Overlay } from '#proto/weft/agent/v1/overlay.ts';
import type { Command, CommandContext, Flag } from '../command.ts';
import { readMessageFile } from '../input/message-file.ts';
import type { Output } from '../output/output.ts';
import { usageError } from '../usage.ts';

const HOST: Flag = { type: 'string', value: 'HOST', doc: 'in a lab: the host whose agent is asked' };
const DRY_RUN: Flag = { type: 'boolean', doc: 'print the commands that would be done, one per line, and do nothing' };

const overlaysOf = async ({ flags, connections }: CommandContext) =>
  await connections.overlays(flags.text('host') ?? '');

/** The commands, as they can be pasted; how each went where that is known. Resolves with the exit code. */
const showResults = (
  output: Output,
  results: readonly OperationResult[],
  notes: readonly string[],
  dryRun: boolean,
): number => {
  for (const { operation, done, error } of results) {
    const command = operation?.command ?? '';
    if (dryRun) output.text(command);
    else output.text(done ? `$ ${command}` : `! ${command}: ${error}`);
  }
  if (!output.machine) for (const note of notes) output.note(`note: ${note}`);
  return !dryRun && results.some(({ done }) => !done) ? 1 : 0;
};

const stateOf = ({ status }: Overlay): string => (status?.state ?? '').replace('OVERLAY_STATE_', '');

const shown = (overlay: Overlay): object => ({
  name: overlay.name,
  bridge: overlay.bridge_name,
  addresses: overlay.addresses.join(' '),
  vni: overlay.vni === 0 ? '' : overlay.vni.toString(),
  udp_port: overlay.udp_port.toString(),
  local_address: overlay.local_address,
  mtu: (overlay.status?.mtu ?? overlay.mtu).toString(),
  datapath: overlay.status?.datapath_type ?? '',
  state: stateOf(overlay),
  drift_repaired: overlay.status?.drift_repaired ?? '',
});

/** `weft overlay …` */
export const overlayCommands: readonly Command[] = [
  {
    path: 'overlay apply',
    summary: 'make this host hold its half of an overlay, without a control plane',
    flags: {
      file: { type: 'string', short: 'f', value: 'FILE', doc: 'the overlay, as YAML or JSON; - for standard input' },
      'dry-run': DRY_RUN,
      host: HOST,
    },
    details:
      'The fields are those of weft.agent.v1.Overlay. What is applied is the whole of it: what is left out is taken away.\n' +
      'The same again does nothing. Exit code 1 when the host refused a step; the agent goes on trying.',
    run: async (context) => {
      const { flags, output, signal } = context;
      const file = flags.text('file');
      if (file === undefined) throw usageError('overlay apply: -f FILE is missing');
      const fields = await readMessageFile(file, { message: 'weft.agent.v1.Overlay', outputOnly: ['status'] });
      const dryRun = flags.on('dry-run');
      const request = { overlay: Overlay.fromJSON(fields), validate_only: dryRun };
      const answer = await (await overlaysOf(context)).applyOverlay(request, { signal });
      output.data(answer);
      const code = showResults(output, answer.results, answer.notes, dryRun);
      if (!dryRun && answer.results.length === 0) output.text('nothing to do');
      return code;
    },
  },
  {
    path: 'overlay list',
    summary: 'list the overlays of a host that need no control plane',
    flags: { host: HOST },
    run: async (context) => {
      const { overlays } = await (await overlaysOf(context)).listOverlays({}, { signal: context.signal });
      context.output.rows(overlays, [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'BRIDGE', value: ({ bridge_name }) => bridge_name },
        { title: 'ADDRESSES', value: ({ addresses }) => addresses.join(' ') },
        { title: 'PEERS', value: ({ peers }) => peers.map(({ remote_address }) => remote_address).join(' ') },
        { title: 'LINKS', value: ({ links }) => links.map(({ bridge_name }) => bridge_name).join(' ') },
        { title: 'MTU', value: ({ status }) => String(status?.mtu ?? 0) },
        { title: 'STATE', value: stateOf },
      ]);
      return undefined;
    },
  },
  {
    path: 'overlay get',
    summary: 'show an overlay and how it is; -o yaml can be applied again',
    args: ['NAME'],
    flags: { host: HOST },
    details: 'Exit code 0 when it is ready, 1 otherwise.',
    run: async (context) => {
      const { args, output, signal } = context;
      const overlay = await (await overlaysOf(context)).getOverlay({ name: args[0] ?? '' }, { signal });
      output.data(overlay);
      if (!output.machine) {
        output.object(shown(overlay));
        for (const { device_name, remote_address } of overlay.peers)
          output.text(`peer    ${device_name} to ${remote_address}`);
        for (const link of overlay.links) {
          output.text(`link    ${link.device_name} to ${link.peer_device_name} in ${link.bridge_name}`);
        }
        for (const message of overlay.status?.messages ?? []) output.text(`message ${message}`);
      }
      return stateOf(overlay) === 'READY' ? 0 : 1;
    },
  },
  {
    path: 'overlay delete',
    summary: 'take away what was made for an overlay, and nothing else',
    args: ['NAME'],
    flags: { 'dry-run': DRY_RUN, host: HOST },
    run: async (context) => {
      const { args, flags, output, signal } = context;
      const dryRun = flags.on('dry-run');
      const request = { name: args[0] ?? '', validate_only: dryRun };
      const answer = await (await overlaysOf(context)).deleteOverlay(request, { signal });
      output.data(answer);
      return showResults(output, answer.results, answer.notes, dryRun);
    },
  },
  {
    path: 'overlay events',
    summary: 'follow what happens to the overlays of a host: drift, repairs, refusals',
    args: ['[NAME]'],
    flags: { host: HOST },
    details: 'Ends with Ctrl-C.',
    run: async (context) => {
      const { args, output, signal } = context;
      const overlays = await overlaysOf(context);
      try {
        for await (const event of overlays.watchOverlays({ name: args[0] ?? '' }, { signal })) {
          const kind = event.kind.replace(EventKind.EVENT_KIND_UNSPECIFIED.replace('UNSPECIFIED', ''), '');
          const trace = event.trace_id === '' ? '' : `  (trace ${event.trace_id})`;
          output.text(`${event.time ?? ''}  ${kind}  ${event.message}${trace}`);
          for (const { operation, done, error } of event.kind === EventKind.EVENT_KIND_DRIFT ? [] : event.results) {
            output.text(`    ${done ? '$' : '!'} ${operation?.command ?? ''}${error === '' ? '' : `: ${error}`}`);
          }
          output.data(event);
        }
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
      }
      return undefined;
    },
  },
];

import { Status } from '#proto/weft/topology/v1/topology.ts';
import type { Command, CommandContext } from '../command.ts';
import { resolvePort } from './resolve.ts';

/** `weft port show`: the record, and what the agent of its host says of what it may send. */
export const portShowCommand: Command = {
  path: 'port show',
  summary: 'show a port, what it may send and what it has sent besides, as its host says',
  args: ['PORT'],
  run: async (context: CommandContext) => {
    const { args, connections, output, signal } = context;
    const port = await resolvePort(context, args[0] ?? '');
    const host = port.status === Status.STATUS_ACTIVE ? port.binding_host_id : '';
    const security =
      host === '' ? undefined : await (await connections.agent(host)).getPortSecurity({ port_id: port.id }, { signal });
    output.object({ ...port, ...(output.machine && { security }) });
    if (output.machine || security === undefined) return undefined;
    output.text('');
    if (!security.enabled) {
      output.text(`${security.device_name} on ${host} may send anything`);
      return undefined;
    }
    output.text(`${security.device_name} on ${host} may send from its own addresses:`);
    for (const command of security.commands) output.text(`    $ ${command}`);
    output.text('');
    output.text('dropped:');
    for (const { reason, frame_count } of security.spoofed_frames)
      output.text(`    ${reason.padEnd(22)}${frame_count}`);
    return undefined;
  },
};

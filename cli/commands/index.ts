import type { Command } from '../command.ts';
import { explainCommands } from './explain.ts';
import { explainThingCommands } from './explain-things.ts';
import { fdbCommands } from './fdb.ts';
import { floatingIpCommands } from './floating-ip.ts';
import { hostCheckCommand } from './host-check.ts';
import { hostShowCommand } from './host-show.ts';
import { hostCommands } from './host.ts';
import { labCommands } from './lab.ts';
import { libvirtCommands } from './libvirt.ts';
import { networkCommands } from './network.ts';
import { overlayCommands } from './overlay.ts';
import { persistCommands } from './persist.ts';
import { portCommands } from './port.ts';
import { routerCommands } from './router.ts';
import { statusCommands } from './status.ts';
import { subnetCommands } from './subnet.ts';

// What only a long-running command needs is loaded by that command: `weft network list` should not pay for it.
const processCommands: readonly Command[] = [
  {
    path: 'up',
    summary: 'run the control plane: the services with their own redis-server and nats-server',
    raw: true,
    run: async ({ args }) => {
      const { runUp } = await import('../up/up.ts');
      await runUp(args);
      return undefined;
    },
  },
  {
    path: 'agent',
    summary: "run this host's dataplane agent",
    raw: true,
    run: async ({ args }) => {
      const { runAgent } = await import('../../agents/dataplane/main.ts');
      await runAgent(args);
      return undefined;
    },
  },
];

/** All commands, in the order of the overview. */
export const commands: readonly Command[] = [
  ...processCommands,
  ...networkCommands,
  ...subnetCommands,
  ...portCommands,
  ...routerCommands,
  ...floatingIpCommands,
  ...hostCommands,
  hostCheckCommand,
  hostShowCommand,
  ...fdbCommands,
  ...overlayCommands,
  ...libvirtCommands,
  ...persistCommands,
  ...explainCommands,
  ...explainThingCommands,
  ...statusCommands,
  ...labCommands,
];

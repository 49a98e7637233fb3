import { fileURLToPath } from 'node:url';
import { LAB_PORTS } from '../../../cli/lab-processes.ts';
import { labProcesses, labRun, type LabProcess } from '../../../cli/lab/index.ts';

/** What of a lab's control plane can be killed. */
export const CONTROL_PARTS = ['ipam', 'topology', 'l2pop', 'redis-server', 'nats-server', 'up'] as const;
export type ControlPart = (typeof CONTROL_PARTS)[number];

/** What Node.js runs, behind its own flags; empty for other programs. Launchers that are on their way (setpriv) are others. */
const programOf = ({ argv: [node = '', ...words] }: LabProcess): string =>
  node.endsWith('/node') ? (words.find((word) => !word.startsWith('--')) ?? '') : '';

const isPart = (part: ControlPart, found: LabProcess): boolean => {
  const { argv, command } = found;
  // redis-server writes over its arguments.
  if (part === 'redis-server' || part === 'nats-server') return command === part;
  if (part === 'up') return argv.includes('up') && programOf(found).endsWith('cli/weft.ts');
  // A second replica bears a name of its own. Which of two has the lower process id says nothing: ids begin anew.
  return programOf(found).endsWith(`services/${part}/main.ts`) && !argv.includes('--instance');
};

/** The process of a part, when it runs, the lab's own of several. */
export const controlProcess = (lab: string, part: ControlPart): LabProcess | undefined =>
  labProcesses({ lab, host: 'control' }).find((found) => isPart(part, found));

/** The agent of a host, which must run. */
const agentProcessOf = (lab: string, host: string): LabProcess => {
  const agent = labProcesses({ lab, host }).find((found) => programOf(found).endsWith('agents/dataplane/main.ts'));
  if (agent === undefined) throw new Error(`no agent runs on ${host}`);
  return agent;
};

/** Who runs: pids of the control plane's parts and of the agents. */
export const pidsOf = (lab: string, hosts: readonly string[]): Readonly<Record<string, number | undefined>> =>
  Object.fromEntries([
    ...CONTROL_PARTS.map((part) => [part, controlProcess(lab, part)?.pid] as const),
    ...hosts.map((host) => [host, agentProcessOf(lab, host).pid] as const),
  ]);

/** A message as it is, whatever it is. */
export interface RawMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Into JetStream, and confirmed by it. */
  readonly stream: boolean;
}

const PUBLISHER = fileURLToPath(new URL('nats-publish.fixture.ts', import.meta.url));

/** Publishes messages on a lab's bus. */
export const publish = async (lab: string, messages: readonly RawMessage[]): Promise<void> => {
  const input = JSON.stringify(
    messages.map(({ subject, data, stream }) => ({ subject, stream, base64: Buffer.from(data).toString('base64') })),
  );
  const argv = [process.execPath, PUBLISHER, `nats://10.254.0.1:${LAB_PORTS.nats.toString()}`];
  const { exitCode, stderr } = await labRun(
    { lab, host: 'control' },
    argv,
    { input, deadlineMs: 20_000 },
    AbortSignal.timeout(25_000),
  );
  if (exitCode !== 0) throw new Error(`publishing failed: ${stderr}`);
};

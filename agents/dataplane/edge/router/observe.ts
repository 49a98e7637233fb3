import { DomainError } from '#platform/errors/domain-error.ts';
import type { CommandRunner } from '../../sys/command.ts';
import type { Daemons } from '../../sys/daemons.ts';
import type { EdgeFiles } from '../../sys/edge-files.ts';
import { namespaceName } from '../core/names.ts';
import { observeEdge } from '../core/observe.ts';
import { LIST_FLOWS, parseFlows } from './conntrack.ts';
import type { TranslatedFlow } from './conntrack.ts';
import { LIST_TABLE, tableLines } from './nat.ts';
import type { ObservedRouter } from './plan.ts';
import { radvdDaemon, radvdConfigFile } from './radvd.ts';
import type { ObservedRadvd } from './radvd.ts';

/** What looking needs of the host. */
export interface RouterLookTools {
  readonly commands: CommandRunner;
  readonly files: EdgeFiles;
  readonly daemons: Daemons;
}

const NO_TABLE = 'No such file or directory';

/** Reads a router back; its connections only where asked for, since there may be many. */
export const observeRouter = async (
  { commands, files, daemons }: RouterLookTools,
  wanted: Parameters<typeof observeEdge>[1],
  { folder, withFlows }: { readonly folder: string; readonly withFlows: boolean },
  signal: AbortSignal,
): Promise<ObservedRouter> => {
  const name = namespaceName('router', wanted.id);
  const [edge, config] = await Promise.all([
    observeEdge(commands, wanted, signal),
    files.read(radvdConfigFile(folder)),
  ]);
  const running = daemons.find(radvdDaemon(wanted.id, folder));
  const radvd: ObservedRadvd = {
    config,
    running: running === undefined ? 'no' : running.isInNamespace ? 'here' : 'elsewhere',
  };
  if (edge.namespace === undefined) return { edge, table: undefined, flows: [], radvd };
  const [table, flows] = await Promise.all([
    observeTable(commands, name, signal),
    withFlows ? observeFlows(commands, name, signal) : [],
  ]);
  return { edge, table, flows, radvd };
};

const within = (namespace: string, argv: readonly string[]): readonly string[] => [
  ...['ip', 'netns', 'exec', namespace],
  ...argv,
];

const observeTable = async (
  commands: CommandRunner,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> => {
  const { status, stdout, stderr } = await commands.run(within(namespace, LIST_TABLE), signal);
  if (status === 0) return tableLines(stdout);
  if (stderr.includes(NO_TABLE)) return undefined;
  throw notReadBack(LIST_TABLE, stderr);
};

const observeFlows = async (
  commands: CommandRunner,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly TranslatedFlow[]> => {
  const { status, stdout, stderr } = await commands.run(within(namespace, LIST_FLOWS), signal);
  if (status !== 0) throw notReadBack(LIST_FLOWS, stderr);
  return parseFlows(stdout);
};

const notReadBack = (argv: readonly string[], stderr: string): DomainError =>
  new DomainError('internal', 'NOT_READ_BACK', `${argv.join(' ')}: ${stderr.trim()}`, { details: { stderr } });

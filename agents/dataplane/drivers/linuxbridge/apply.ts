import type { Operation, Outcome } from '../../model/operation.ts';
import type { BatchRunner, RunOptions } from '../../sys/batch-child.ts';
import { writeAll } from '../../sys/sysctl.ts';
import type { Sysctl } from '../../sys/sysctl.ts';
import type { Guards } from './guards.ts';

/** What doing needs of the host. */
export interface Tools {
  readonly ip: BatchRunner;
  readonly bridge: BatchRunner;
  readonly nft: Pick<Guards, 'run'>;
  readonly sysctl: Sysctl;
  /** Told of each step right before it is done. */
  readonly onStep: (operation: Operation) => void;
}

type Tool = 'ip' | 'bridge' | 'nft' | 'sysctl';

/**
 * Steps between which the order does not matter may run at once, on both tools. Of all others each waits until what is
 * before it is done.
 */
type Stage = 'guards' | 'links' | 'additions' | 'flood' | 'deletions';

const STAGES: Readonly<Record<string, Stage>> = {
  'guard-table': 'guards',
  'guard-port': 'guards',
  'delete-port-guard': 'guards',
  'replace-fdb': 'additions',
  'replace-bridge-fdb': 'additions',
  'replace-neighbour': 'additions',
  'append-flood': 'flood',
  'delete-fdb': 'deletions',
  'delete-bridge-fdb': 'deletions',
  'delete-neighbour': 'deletions',
  'delete-flood': 'deletions',
};

const FEW = 16;

/** Steps that make a device: what needs it waits to hear whether it was made. */
const MAKES_A_DEVICE = new Set(['add-bridge', 'add-vxlan', 'add-vlan']);
/** Steps after which a name is no longer that device. */
const ENDS_A_DEVICE = new Set(['delete-bridge', 'delete-vxlan', 'delete-vlan', 'replace-vxlan']);

// What was to be taken away is not there: that is what was wanted.
const GONE =
  /No such file or directory|No such process|No such device|Cannot find device|Cannot assign requested address|unknown ifindex/;
const IS_REMOVAL = /^(?:delete-|replace-vxlan$)/;
const EXISTS = 'File exists';
/** The tools work on the first lines while the next are still being put together. */
const LINES_AT_ONCE = 1_024;

const TOOLS: ReadonlySet<string> = new Set<Tool>(['bridge', 'nft', 'sysctl']);
const isTool = (name: string | undefined): name is Tool => name !== undefined && TOOLS.has(name);
const toolOf = ({ argv: [name] }: Operation): Tool => (isTool(name) ? name : 'ip');
const stageOf = ({ kind }: Operation): Stage => STAGES[kind] ?? 'links';

/**
 * Does the steps in order, as few waits between them as the order allows. One outcome per step; a step whose `needs`
 * failed is not tried. Rejects when a tool cannot be reached: what is done then is to be read back.
 */
export const applyOperations = async (
  tools: Tools,
  operations: readonly Operation[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  const failed = new Set<string>();
  const groups = groupsOf(operations);
  for (const group of groups) {
    // A few rows with nothing behind them: how they went may be heard a moment later.
    const unhurried = groups.length === 1 && group.length <= FEW && group.every((each) => stageOf(each) !== 'links');
    const errors = await applyGroup(tools, group, failed, signal, { unhurried });
    for (const [index, operation] of group.entries()) {
      const error = errors[index];
      if (error !== undefined) failed.add(operation.key);
      outcomes.push(error === undefined ? { operation } : { operation, error });
    }
  }
  return outcomes;
};

/** Cuts the list where what follows must wait. */
const groupsOf = (operations: readonly Operation[]): readonly (readonly Operation[])[] => {
  const groups: Operation[][] = [];
  let group: Operation[] = [];
  let tools = new Set<Tool>();
  let made = new Set<string>();
  for (const operation of operations) {
    const tool = toolOf(operation);
    const needsNew = operation.needs?.some((key) => made.has(key)) === true;
    const waits = group.length > 0 && (needsNew || !mayJoin(group, operation, tools));
    if (waits) {
      groups.push(group);
      group = [];
      tools = new Set();
      made = new Set();
    }
    group.push(operation);
    tools.add(tool);
    if (MAKES_A_DEVICE.has(operation.kind)) made.add(operation.key);
  }
  if (group.length > 0) groups.push(group);
  return groups;
};

const mayJoin = (group: readonly Operation[], next: Operation, tools: ReadonlySet<Tool>): boolean => {
  const stage = stageOf(next);
  const isOfOneStage = [group[0], group.at(-1)].every((each) => each !== undefined && stageOf(each) === stage);
  if (isOfOneStage && stage !== 'links') return true;
  // One tool keeps the order by itself. Not so that many neighbours hold up the rows they could go along with.
  return tools.size === 1 && tools.has(toolOf(next)) && (toolOf(next) === 'bridge' || isOfOneStage);
};

const applyGroup = async (
  tools: Tools,
  group: readonly Operation[],
  failed: ReadonlySet<string>,
  signal: AbortSignal,
  options: RunOptions,
): Promise<readonly (string | undefined)[]> => {
  const errors: (string | undefined)[] = group.map(() => undefined);
  const runs: { readonly at: readonly number[]; readonly done: Promise<readonly (string | undefined)[]> }[] = [];
  const waiting: Record<Tool, { at: number[]; lines: string[] }> = {
    ...{ ip: none(), bridge: none() },
    ...{ nft: none(), sysctl: none() },
  };
  const send = (tool: Tool): void => {
    const { at, lines } = waiting[tool];
    if (lines.length === 0) return;
    waiting[tool] = none();
    const done =
      tool === 'sysctl' ? writeSettings(tools.sysctl, lines, signal) : tools[tool].run(lines, signal, options);
    runs.push({ at, done });
  };
  for (const [index, operation] of group.entries()) {
    const missing = failed.size === 0 ? undefined : operation.needs?.find((key) => failed.has(key));
    if (missing !== undefined) {
      errors[index] = `not tried: ${missing} failed`;
      continue;
    }
    tools.onStep(operation);
    const tool = toolOf(operation);
    const { at, lines } = waiting[tool];
    at.push(index);
    lines.push(operation.argv.slice(1).join(' '));
    if (lines.length === LINES_AT_ONCE && tool !== 'nft') send(tool);
  }
  for (const tool of ['bridge', 'ip', 'nft', 'sysctl'] as const) send(tool);
  // All are waited for, so that nothing of this is still being done when it rejects.
  const results = await Promise.allSettled(runs.map(({ done }) => done));
  if (group.some(({ kind }) => ENDS_A_DEVICE.has(kind))) {
    tools.ip.refresh();
    tools.bridge.refresh();
  }
  for (const [run, result] of results.entries()) {
    if (result.status === 'rejected') throw result.reason;
    for (const [line, at] of (runs[run]?.at ?? []).entries()) errors[at] = realError(group[at], result.value[line]);
  }
  return errors;
};

const none = (): { at: number[]; lines: string[] } => ({ at: [], lines: [] });

/** What the tool said, unless it says that things are as they should be. */
const realError = (operation: Operation | undefined, error: string | undefined): string | undefined => {
  if (error === undefined || operation === undefined) return undefined;
  if (IS_REMOVAL.test(operation.kind) && GONE.test(error)) return undefined;
  return operation.kind === 'append-flood' && error.includes(EXISTS) ? undefined : error;
};

/** `-w name=value…` per line. */
const writeSettings = async (
  sysctl: Sysctl,
  lines: readonly string[],
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> =>
  await Promise.all(lines.map(async (line) => writeAll(sysctl, line.split(' ').slice(1), signal)));

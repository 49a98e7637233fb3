import { toError } from '#platform/errors/domain-error.ts';
import type { Outcome } from '../../model/operation.ts';
import { isBatchLine } from '../../sys/batch-request.ts';
import type { CommandRunner } from '../../sys/command.ts';
import type { Daemons } from '../../sys/daemons.ts';
import type { EdgeFiles } from '../../sys/edge-files.ts';
import type { EdgeAct, EdgeStep } from './model.ts';

/** What doing needs of the host. */
export interface EdgeTools {
  readonly commands: CommandRunner;
  readonly files: EdgeFiles;
  readonly daemons: Daemons;
}

// What was to be taken away is not there: that is what was wanted.
const GONE =
  /No such file or directory|No such process|No such device|Cannot find device|Cannot assign requested address|\b0 flow entries/;
/** A daemon that starts reads its files and binds its sockets before it says so. */
const DAEMON_MS = 10_000;

/**
 * Does the steps one after the other; those that are `ip` of one namespace and follow each other by one program. One outcome
 * per step; a step whose `needs` failed is not tried. Rejects when a tool cannot be started: what is done then is to be read
 * back.
 */
export const applySteps = async (
  tools: EdgeTools,
  steps: readonly EdgeStep[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> => {
  const failed = new Set<string>();
  const outcomes: Outcome[] = [];
  for (let at = 0; at < steps.length;) {
    const group = groupFrom(steps, at);
    at += group.length;
    const ready: EdgeStep[] = [];
    const skipped = new Map<EdgeStep, string>();
    for (const step of group) {
      const missing = step.needs?.find((key) => failed.has(key));
      if (missing === undefined) ready.push(step);
      else skipped.set(step, `not tried: ${missing} failed`);
    }
    const errors = ready.length === 0 ? [] : await applyGroup(tools, ready, signal);
    const time = Date.now();
    const said = new Map(ready.map((step, index) => [step, errors[index]]));
    for (const step of group) {
      const words = skipped.get(step) ?? said.get(step);
      const error = words !== undefined && step.kind.startsWith('delete-') && GONE.test(words) ? undefined : words;
      if (error !== undefined) failed.add(step.key);
      outcomes.push({ operation: step, time, ...(error !== undefined && { error }) });
    }
  }
  return outcomes;
};

/** Steps that may go by one program. What a later one of them needs has been tried when its line is read. */
const groupFrom = (steps: readonly EdgeStep[], at: number): readonly EdgeStep[] => {
  const first = steps[at];
  if (first === undefined) return [];
  const batch = batchOf(first);
  if (batch === undefined) return [first];
  const group = [first];
  // A line that needs what another of the batch makes is still read when that fails: it fails too, and changes nothing.
  for (const next of steps.slice(at + 1)) {
    if (batchOf(next)?.program.join(' ') !== batch.program.join(' ')) break;
    group.push(next);
  }
  return group;
};

/** `ip` with what chooses the namespace, and the rest as a line; undefined for a step that goes by itself. */
const batchOf = ({
  act,
  argv,
}: EdgeStep): { readonly program: readonly string[]; readonly line: string } | undefined => {
  if (act?.kind !== 'ip') return undefined;
  const words = argv[1] === '-n' ? 3 : 1;
  const line = argv.slice(words).join(' ');
  // `netns` acts on names and not in a namespace: it goes by itself.
  return argv[words] === 'netns' || !isBatchLine(line) ? undefined : { program: argv.slice(0, words), line };
};

const applyGroup = async (
  tools: EdgeTools,
  group: readonly EdgeStep[],
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> => {
  const [first] = group;
  if (first === undefined) return [];
  const batch = batchOf(first);
  if (batch === undefined) return [await applyOne(tools, first, signal)];
  const lines = group.map((step) => batchOf(step)?.line ?? '');
  return await runBatch(tools.commands, batch.program, lines, signal);
};

const FAILED = /^Command failed -:(?<line>\d+)$/;

/** What was said against each line; a tool that ended over a line has done nothing behind it. */
const runBatch = async (
  commands: CommandRunner,
  program: readonly string[],
  lines: readonly string[],
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> => {
  const errors = lines.map((): string | undefined => undefined);
  const command = [...program, '-force', '-batch', '-'];
  const { status, stderr } = await commands.run(command, signal, { input: `${lines.join('\n')}\n` });
  let words: string[] = [];
  let answered = 0;
  for (const line of stderr.split('\n')) {
    const failed = FAILED.exec(line)?.groups?.['line'];
    if (failed === undefined) {
      if (line !== '') words.push(line);
      continue;
    }
    answered = Number(failed);
    errors[answered - 1] = words.join(' ') || 'failed without a word';
    words = [];
  }
  // Told to go on, it reads to the end, and words without a line are warnings.
  if (status !== 0 && words.length > 0) errors.fill(words.join(' '), answered);
  return errors;
};

const applyOne = async (tools: EdgeTools, step: EdgeStep, signal: AbortSignal): Promise<string | undefined> => {
  const { act, argv } = step;
  const own = ownWork(tools, act, signal);
  if (own !== undefined) {
    return await own.then(
      () => undefined,
      (thrown: unknown) => toError(thrown).message,
    );
  }
  if (act?.kind === 'signal-daemon')
    return tools.daemons.signal(act.daemon, act.signal) ? undefined : 'No such process';
  const { status, stderr } = await tools.commands.run(argv, signal, {
    ...(act?.kind === 'input' && { input: act.input }),
    ...(act?.kind === 'start-daemon' && { deadlineMs: DAEMON_MS }),
  });
  if (status === 0) return undefined;
  return stderr.trim() === '' ? `exit status ${status.toString()}` : stderr.trim();
};

/** What is done without a program. */
const ownWork = (tools: EdgeTools, act: EdgeAct | undefined, signal: AbortSignal): Promise<void> | undefined => {
  if (act?.kind === 'write-file') return tools.files.write(act.path, act.text);
  if (act?.kind === 'remove-file') return tools.files.remove(act.path);
  return act?.kind === 'end-daemon' ? tools.daemons.end(act.daemon, signal) : undefined;
};

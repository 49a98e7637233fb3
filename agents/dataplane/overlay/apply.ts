import type { Outcome } from '../model/operation.ts';
import type { CommandRunner } from '../sys/command.ts';
import type { OverlayStep } from './model/step.ts';
import type { Switch } from './switch.ts';

// What was to be taken away is not there: that is what was wanted.
const GONE = /Cannot find device|does not exist|Cannot assign requested address|No such device/;
const IS_REMOVAL = /^(?:delete-|del-|replace-veth$)/;

/**
 * Does the steps one after the other. One outcome per step; a step whose `needs` failed is not tried. Rejects when Open
 * vSwitch or a tool cannot be reached: what is done then is to be read back.
 */
export const applySteps = async (
  commands: CommandRunner,
  ovs: Switch,
  steps: readonly OverlayStep[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> => {
  const failed = new Set<string>();
  const outcomes: Outcome[] = [];
  for (const operation of steps) {
    const missing = operation.needs?.find((key) => failed.has(key));
    const error =
      missing !== undefined
        ? `not tried: ${missing} failed`
        : operation.ovs === undefined
          ? await runStep(commands, operation, signal)
          : await ovs.change(operation.ovs, signal);
    if (error !== undefined) failed.add(operation.key);
    outcomes.push(error === undefined ? { operation } : { operation, error });
  }
  return outcomes;
};

const runStep = async (
  commands: CommandRunner,
  { argv, kind }: OverlayStep,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { status, stderr } = await commands.run(argv, signal);
  const words = stderr.trim();
  if (status === 0 || (IS_REMOVAL.test(kind) && GONE.test(words))) return undefined;
  return words === '' ? `exit status ${status.toString()}` : words;
};

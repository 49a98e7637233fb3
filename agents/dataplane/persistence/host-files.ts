import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Outcome } from '../model/operation.ts';
import type { ConfigFiles } from '../sys/config-files.ts';
import type { Inventory } from './inventory.ts';
import type { FileStep } from './steps.ts';

/**
 * Does all of the file steps or none: what was done is taken back when one fails. Rejects with `precondition` naming the
 * file then.
 */
export const applyFiles = async (
  files: ConfigFiles,
  steps: readonly FileStep[],
  before: Inventory,
): Promise<readonly Outcome[]> => {
  const done: FileStep[] = [];
  for (const step of steps) {
    try {
      if (step.wanted === undefined) await files.remove(step.path);
      else await files.write(step.path, step.wanted.text, step.wanted.mode);
      done.push(step);
    } catch (cause) {
      await undo(files, done, before);
      throw new DomainError(
        'precondition',
        'PERSISTENCE_NOT_WRITTEN',
        `${step.path} cannot be ${step.wanted === undefined ? 'removed' : 'written'}, and nothing was changed: ${toError(cause).message}`,
        { details: { path: step.path }, cause },
      );
    }
  }
  return steps.map(({ operation }) => ({ operation }));
};

const undo = async (files: ConfigFiles, done: readonly FileStep[], before: Inventory): Promise<void> => {
  for (const { path } of done.toReversed()) {
    const was = before.get(path);
    // Where even that fails, the next apply mends it: the first failure is what is told.
    await (was === undefined ? files.remove(path) : files.write(path, was.text, was.mode)).catch(() => undefined);
  }
};

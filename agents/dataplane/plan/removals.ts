import type { Operation } from '../model/operation.ts';

/** Steps that take something away, by the first word of their kind: a convention of every driver. */
const isRemoval = (operation: Operation): boolean => operation.kind.startsWith('delete-');

/** The steps that add or change; deletions wait until the desired state is known to be complete. */
export const withoutRemovals = (operations: readonly Operation[]): readonly Operation[] =>
  operations.filter((operation) => !isRemoval(operation));

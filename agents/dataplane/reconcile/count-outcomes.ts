import type { Log } from '#platform/log/log.ts';
import { commandOf, type Outcome } from '../model/operation.ts';
import { operationsDone, operationsFailed } from './metrics.ts';

/** Takes what was done into the metrics, and what failed into the log as well. */
export const countOutcomes = (outcomes: readonly Outcome[], log: Log): void => {
  for (const { operation, error } of outcomes) {
    if (error === undefined) operationsDone.add(1, { kind: operation.kind });
    else {
      operationsFailed.add(1, { kind: operation.kind });
      log.warn({ command: commandOf(operation), error }, 'operation failed');
    }
  }
};

import { currentTraceId } from '#platform/telemetry/spans.ts';
import type { Outcome } from '../model/operation.ts';
import { driftRows } from './metrics.ts';
import type { WorkerTools } from './worker-ports.ts';

/** Tells whoever listens what had to be done outside of a change; how many of these steps succeeded. */
export const reportDrift = (
  { events, log }: Pick<WorkerTools, 'events' | 'log'>,
  networkId: string,
  outcomes: readonly Outcome[],
): number => {
  const traceId = currentTraceId();
  const base = { networkId, outcomes, ...(traceId !== undefined && { traceId }) };
  const repaired = outcomes.filter(({ error }) => error === undefined).length;
  driftRows.add(outcomes.length, { network: networkId });
  const steps = `${outcomes.length.toString()} step${outcomes.length === 1 ? '' : 's'}`;
  events.emit({ kind: 'drift', message: `the kernel differs from the desired state by ${steps}`, ...base });
  events.emit({ kind: 'repair', message: `${repaired.toString()} of ${steps} done`, ...base });
  log.warn({ network: networkId, steps: outcomes.length, repaired, trace_id: traceId }, 'drift repaired');
  return repaired;
};

import { toError } from '#platform/errors/domain-error.ts';
import { inSpan, type Carrier, type LazyCarrier } from '#platform/telemetry/spans.ts';
import type { NetworkTable } from '../intake/network-table.ts';
import type { NetworkChange } from '../model/intent.ts';
import type { Outcome } from '../model/operation.ts';
import { annotate } from './annotate.ts';
import { countOutcomes } from './count-outcomes.ts';
import { applySeconds } from './metrics.ts';
import type { WorkerTools } from './worker-ports.ts';

/** A change of a network, and what was done for it when: by `unixNow`. */
export interface DoneChange {
  readonly change: NetworkChange;
  readonly revision: bigint;
  readonly causes: readonly LazyCarrier[];
  readonly outcomes: readonly Outcome[];
  /** What kept all of it from being done, if anything. */
  readonly thrown: unknown;
  readonly startTime: number;
  readonly endTime: number;
}

/** Links on one span. */
const MAX_LINKS = 32;

/** Says afterwards what was done: to the trace, to whoever is told by `acknowledge`, within the trace, and to the disk. */
export const tellChange = (
  { host, states, log }: Pick<WorkerTools, 'host' | 'states' | 'log'>,
  table: NetworkTable,
  { change, revision, causes, outcomes, thrown, startTime, endTime }: DoneChange,
  acknowledge: () => void,
): void => {
  const [firstPort] = change.ports.keys();
  const attributes = {
    'weft.host.id': host.hostId,
    'weft.network.id': table.networkId,
    'weft.revision': Number(revision),
    ...(firstPort !== undefined && { 'weft.port.id': firstPort }),
  };
  const [parent = 'root', ...others] = traced(causes);
  const links = others.slice(0, MAX_LINKS);
  try {
    inSpan('agent.apply', { attributes, parent, links, startTime, endTime }, (span) => {
      countOutcomes(outcomes, log);
      annotate(span, outcomes, endTime);
      acknowledge();
      applySeconds.record((endTime - startTime) / 1000);
      if (thrown !== undefined) throw toError(thrown);
    });
  } catch (error) {
    log.warn({ network: table.networkId, error: toError(error).message }, 'change not applied');
  }
  states.record(table, change.ports.keys());
};

/** Those that are part of a trace. */
export const traced = (causes: readonly LazyCarrier[]): readonly Carrier[] =>
  causes.map((cause) => (typeof cause === 'function' ? cause() : cause)).filter((cause) => 'traceparent' in cause);

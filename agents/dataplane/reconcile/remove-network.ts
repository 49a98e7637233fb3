import { toError } from '#platform/errors/domain-error.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import { annotate } from './annotate.ts';
import type { WorkerTools } from './worker-ports.ts';

const REMOVAL_MS = 10_000;

/** How a removal went. */
export interface Removal {
  /** Steps that were tried. */
  readonly operations: number;
  /** Whether nothing of the network is left. */
  readonly isComplete: boolean;
}

/** Takes a network whose worker has stopped off the host. What cannot be done now is a stray, to be looked for later. */
export const removeNetwork = async (
  { dataplane, host, log }: Pick<WorkerTools, 'dataplane' | 'host' | 'log'>,
  networkId: string,
): Promise<Removal> => {
  const attributes = { 'weft.host.id': host.hostId, 'weft.network.id': networkId };
  try {
    return await inSpan('agent.release', { attributes }, async (span) => {
      const signal = AbortSignal.timeout(REMOVAL_MS);
      const owned = (await dataplane.observeOwned(signal)).get(networkId);
      if (owned === undefined) return { operations: 0, isComplete: true };
      const outcomes = await dataplane.apply(dataplane.planRemoval(owned), signal);
      annotate(span, outcomes);
      return { operations: outcomes.length, isComplete: outcomes.every(({ error }) => error === undefined) };
    });
  } catch (thrown) {
    log.warn({ network: networkId, error: toError(thrown).message }, 'network not removed');
    return { operations: 0, isComplete: false };
  }
};

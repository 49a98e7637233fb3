import { toError } from '#platform/errors/domain-error.ts';
import { inSpan } from '#platform/telemetry/spans.ts';
import { annotate } from './annotate.ts';
import type { WorkerTools } from './worker-ports.ts';

const REMOVAL_MS = 10_000;

/**
 * Takes a network whose worker has stopped off the host and says how many steps that took; what fails is a stray that is
 * looked for later.
 */
export const removeNetwork = async (
  { dataplane, host, log }: Pick<WorkerTools, 'dataplane' | 'host' | 'log'>,
  networkId: string,
): Promise<number> => {
  const attributes = { 'weft.host.id': host.hostId, 'weft.network.id': networkId };
  try {
    return await inSpan('agent.release', { attributes }, async (span) => {
      const signal = AbortSignal.timeout(REMOVAL_MS);
      const owned = (await dataplane.observeOwned(signal)).get(networkId);
      if (owned === undefined) return 0;
      const outcomes = await dataplane.apply(dataplane.planRemoval(owned), signal);
      annotate(span, outcomes);
      return outcomes.length;
    });
  } catch (thrown) {
    log.warn({ network: networkId, error: toError(thrown).message }, 'network not removed');
    return 0;
  }
};

import { invalidField } from '#platform/errors/domain-error.ts';
import { parseHostId, parseUuid } from '#platform/net/names.ts';
import { type RpcService, serverStream, service, unary } from '#platform/rpc/handlers.ts';
import { pageToken, parsePageSize, parsePageToken } from '#platform/store/paging.ts';
import type { Duration } from '#proto/google/protobuf/duration.ts';
import {
  Advice as AdviceMessage,
  L2populationServiceService,
  type RevisionChanges,
} from '#proto/weft/l2pop/v1/l2pop.ts';
import type { TableReader } from '../app/ports.ts';
import type { TableQueries } from '../app/queries.ts';
import type { HostReports } from '../app/report-host-state.ts';
import type { ConvergenceWaits } from '../app/wait-for-convergence.ts';
import type { TableChanges } from '../app/watch-changes.ts';
import type { Advice } from '../domain/advice.ts';
import { parseHeldRevision } from '../domain/revision.ts';
import type { TableRevision } from '../domain/table.ts';
import { changeMessage, entryMessage } from './forwarding-messages.ts';
import { readReport } from './read-report.ts';
import { hostStateMessage, networkStateMessage } from './state-messages.ts';

/** The use cases that the service offers. */
export interface L2populationUseCases {
  readonly reader: TableReader;
  readonly queries: TableQueries;
  readonly changes: TableChanges;
  readonly waits: ConvergenceWaits;
  readonly reports: HostReports;
}

/** Entries in a message of a snapshot. */
const SNAPSHOT_CHUNK = 1_000;
/** Revisions in an answer of ListChanges. */
const CHANGES_PAGE = 1_000;
const NETWORKS_SCOPE = 'ListNetworkStates';
const TIMEOUT_MS = { default: 30_000, min: 1, max: 600_000 } as const;

/** weft.l2pop.v1.L2populationService. */
export const l2populationService = (useCases: L2populationUseCases): RpcService => {
  const { reader, queries, changes, waits, reports } = useCases;
  return service(L2populationServiceService, {
    getNetworkState: unary(async (request, { signal }) =>
      networkStateMessage(await queries.state(networkIdOf(request), signal)),
    ),
    listNetworkStates: unary(async (request, { signal }) => {
      const after = parsePageToken(request.page_token, NETWORKS_SCOPE);
      const { states, next } = await queries.states(after, parsePageSize(request.page_size), signal);
      return { networks: states.map(networkStateMessage), next_page_token: pageToken(next, NETWORKS_SCOPE) };
    }),
    listForwardingEntries: unary(async (request, { signal }) => {
      const networkId = networkIdOf(request);
      const scope = `ListForwardingEntries ${networkId}`;
      const after = parsePageToken(request.page_token, scope);
      const page = await reader.page(networkId, after, parsePageSize(request.page_size), signal);
      return {
        entries: page.entries.map(entryMessage),
        next_page_token: pageToken(page.next, scope),
        revision: page.revision.toString(),
      };
    }),
    getSnapshot: serverStream(async function* (request, { signal }) {
      const { revision, entries } = await reader.snapshot(networkIdOf(request), signal);
      for (let at = 0; at === 0 || at < entries.length; at += SNAPSHOT_CHUNK) {
        const chunk = entries.slice(at, at + SNAPSHOT_CHUNK);
        const complete = at + SNAPSHOT_CHUNK >= entries.length;
        yield { revision: revision.toString(), entries: chunk.map(entryMessage), complete };
      }
    }),
    listChanges: unary(async (request, { signal }) => {
      const page = await changes.since(networkIdOf(request), sinceOf(request), CHANGES_PAGE, signal);
      return { changes: page.changes.map(revisionMessage), revision: page.revision.toString() };
    }),
    watch: serverStream(async function* (request, { signal }) {
      for await (const revision of changes.watch(networkIdOf(request), sinceOf(request), signal)) {
        yield { change: revisionMessage(revision) };
      }
    }),
    waitForConvergence: serverStream(async function* (request, { signal }) {
      const networkId = networkIdOf(request);
      const revision = parseHeldRevision('revision', request.revision);
      const timeoutMs = readTimeout(request.timeout);
      const wanted = { networkId, revision: revision === 0 ? undefined : revision, timeoutMs };
      for await (const progress of waits.wait(wanted, signal)) {
        yield {
          revision: progress.revision.toString(),
          lagging: progress.lagging.map((host) => hostStateMessage(networkId, host)),
          converged: progress.converged,
          elapsed_ms: progress.elapsedMs,
        };
      }
    }),
    reportHostState: unary(async (request, { signal }) => {
      const hostId = parseHostId('host_id', request.host_id);
      const advices = await reports.report(hostId, readReport(request.networks), signal);
      return { advices: advices.map(adviceMessage) };
    }),
  });
};

const networkIdOf = ({ network_id }: { readonly network_id: string }) => parseUuid('network_id', network_id);

const sinceOf = ({ since_revision }: { readonly since_revision: string }): number =>
  parseHeldRevision('since_revision', since_revision);

const revisionMessage = ({ revision, cause, time, changes }: TableRevision): RevisionChanges => ({
  revision: revision.toString(),
  cause,
  changes: changes.map(changeMessage),
  time: new Date(time).toISOString(),
});

const ADVICES = {
  'fetch-changes': AdviceMessage.ADVICE_FETCH_CHANGES,
  resync: AdviceMessage.ADVICE_RESYNC,
} as const satisfies Record<Advice['kind'], AdviceMessage>;

const adviceMessage = ({ networkId, kind, revision, expectedDigest }: Advice) => ({
  network_id: networkId,
  advice: ADVICES[kind],
  revision: revision.toString(),
  expected_digest: expectedDigest,
});

const readTimeout = (duration: Duration | undefined): number => {
  if (duration === undefined) return TIMEOUT_MS.default;
  const ms = Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
  if (!(ms >= TIMEOUT_MS.min && ms <= TIMEOUT_MS.max)) {
    throw invalidField('timeout', `${ms.toString()} ms`, 'is not from 1 ms to 10 min');
  }
  return ms;
};

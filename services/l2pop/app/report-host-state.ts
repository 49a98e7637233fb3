import type { HostId } from '#platform/net/names.ts';
import { type Advice, adviceFor, type ReportedNetwork, type Verdict } from '../domain/advice.ts';
import { drift, lag, resyncs } from './metrics.ts';
import type { Acknowledgement, HostProgressStore } from './ports.ts';

/** Tells waiters of acknowledgements that the store has already, on all replicas. */
export interface AckHerald {
  announce(acks: readonly Acknowledgement[]): void;
}

/** Takes the reports of hosts. */
export class HostReports {
  readonly #store: HostProgressStore;
  readonly #herald: AckHerald;
  readonly #now: () => number;

  constructor(store: HostProgressStore, herald: AckHerald, now: () => number) {
    this.#store = store;
    this.#herald = herald;
    this.#now = now;
  }

  /** Notes what a host holds of all its networks and answers where it is behind or differs. */
  async report(hostId: HostId, networks: readonly ReportedNetwork[], signal: AbortSignal): Promise<readonly Advice[]> {
    const verdicts = await this.#store.report(hostId, networks, this.#now(), signal);
    const judged = networks.flatMap((reported, at) => {
      const verdict = verdicts[at];
      return verdict === undefined ? [] : [{ reported, verdict }];
    });
    this.#herald.announce(
      judged
        .filter(({ verdict }) => verdict.advanced)
        .map(({ reported: { networkId, revision } }) => ({ networkId, hostId, revision })),
    );
    count(hostId, judged);
    return judged.flatMap(({ reported, verdict }) => adviceFor(reported, verdict) ?? []);
  }
}

const count = (
  host: HostId,
  judged: readonly { readonly reported: ReportedNetwork; readonly verdict: Verdict }[],
): void => {
  lag.set(Math.max(0, ...judged.map(({ reported, verdict }) => verdict.revision - reported.revision)), { host });
  for (const { reported, verdict } of judged) {
    if (verdict.lifted) resyncs.add(1, { cause: 'lifted' });
    else if (adviceFor(reported, verdict)?.kind === 'resync') resyncs.add(1, { cause: 'digest' });
    if (reported.driftRepaired > 0) drift.add(reported.driftRepaired, { host });
  }
};

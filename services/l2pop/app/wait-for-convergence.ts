import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import { type HostProgress, laggards } from '../domain/convergence.ts';
import type { TableState } from '../domain/table.ts';
import type { AckBoard } from './ack-board.ts';
import type { DeltaFeed, NetworkIndex, TableReader } from './ports.ts';
import { WakeUp } from './wake-up.ts';

export interface ConvergenceWait {
  readonly networkId: Uuid;
  /** The revision to wait for; undefined: the one of now. */
  readonly revision: number | undefined;
  readonly timeoutMs: number;
}

/** A word on the way to convergence. */
export interface ConvergenceProgress {
  readonly revision: number;
  readonly lagging: readonly HostProgress[];
  readonly converged: boolean;
  readonly elapsedMs: number;
}

/** How often to look although nothing was heard: words between replicas may be lost. */
const LOOK_MS = 1_000;

/** Waits until the hosts of a network hold a revision. */
export class ConvergenceWaits {
  readonly #reader: TableReader;
  readonly #index: NetworkIndex;
  readonly #board: AckBoard;
  readonly #feed: DeltaFeed;

  constructor(reader: TableReader, index: NetworkIndex, board: AckBoard, feed: DeltaFeed) {
    this.#reader = reader;
    this.#index = index;
    this.#board = board;
    this.#feed = feed;
  }

  /**
   * Yields who lags, at the start and whenever that changes, and last that nobody does. Throws `deadline` NOT_CONVERGED
   * with the ids of those who still lag; `not_found` for a network that is not known and no revision to wait for.
   */
  async *wait(wanted: ConvergenceWait, signal: AbortSignal): AsyncGenerator<ConvergenceProgress, void> {
    const { networkId, timeoutMs } = wanted;
    const began = performance.now();
    const elapsed = (): number => performance.now() - began;
    const wakeUp = new WakeUp();
    const heard = new Map<HostId, number>();
    let newest = 0;
    let stale = false;
    using _acks = this.#board.listen(networkId, (hostId, revision) => {
      heard.set(hostId, Math.max(revision, heard.get(hostId) ?? 0));
      if (revision > newest) stale = true;
      wakeUp.ring();
    });
    let state = await this.#read(networkId, signal);
    if (wanted.revision === undefined && state.revision === 0) await this.#mustExist(networkId, signal);
    const revision = wanted.revision ?? state.revision;
    await using stack = new AsyncDisposableStack();
    let following = false;
    let told: string | undefined;
    for (;;) {
      newest = state.revision;
      const lagging = laggards(withHeard(state, heard), revision);
      if (lagging.length === 0 && state.revision >= revision) {
        yield { revision, lagging, converged: true, elapsedMs: elapsed() };
        return;
      }
      const news = lagging.map(({ member }) => member.vtep.hostId).join();
      if (news !== told) yield { revision, lagging, converged: false, elapsedMs: elapsed() };
      told = news;
      if (!following) {
        // Which hosts there are may change from now on; what changed until now is read once more.
        following = true;
        stale = true;
        const changed = (): void => {
          stale = true;
          wakeUp.ring();
        };
        stack.use(await this.#feed.follow(networkId, changed, signal));
      } else {
        const left = timeoutMs - elapsed();
        if (left <= 0) throw notConverged(networkId, revision, lagging, timeoutMs);
        const looks = Math.min(left, LOOK_MS);
        const slept = performance.now();
        await wakeUp.next(looks, signal);
        stale ||= performance.now() - slept >= looks;
      }
      if (stale) {
        stale = false;
        state = await this.#read(networkId, signal);
      }
    }
  }

  async #read(networkId: Uuid, signal: AbortSignal): Promise<TableState> {
    const [state] = await this.#reader.states([networkId], signal);
    return state ?? { networkId, revision: 0, members: [] };
  }

  async #mustExist(networkId: Uuid, signal: AbortSignal): Promise<void> {
    if (!(await this.#index.has(networkId, signal))) throw notFound('network', networkId);
  }
}

/**
 * What was heard may not have been stored yet when the state was read. Nobody can hold a revision that the table has not,
 * whatever he says.
 */
const withHeard = (state: TableState, heard: ReadonlyMap<HostId, number>): TableState => ({
  ...state,
  members: state.members.map((member) => {
    const ackedRevision = heard.get(member.vtep.hostId) ?? 0;
    if (ackedRevision <= (member.record?.ackedRevision ?? 0) || ackedRevision > state.revision) return member;
    const { record = { digest: '', digestRevision: 0, expectedDigest: '', time: Date.now(), driftRepaired: 0 } } =
      member;
    return { ...member, record: { ...record, ackedRevision } };
  }),
});

const notConverged = (
  networkId: Uuid,
  revision: number,
  lagging: readonly HostProgress[],
  timeoutMs: number,
): DomainError => {
  const hosts = lagging.map(({ member }) => member.vtep.hostId);
  const who = hosts.length === 0 ? 'the table itself is' : `${hosts.length.toString()} hosts are`;
  return new DomainError(
    'deadline',
    'NOT_CONVERGED',
    `network ${networkId}: ${who} not at revision ${revision.toString()} after ${timeoutMs.toString()} ms`,
    { details: { network: networkId, revision: revision.toString(), hosts: hosts.join(',') } },
  );
};

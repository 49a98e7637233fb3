import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Applied } from '../domain/table.ts';
import type { AckBoard } from './ack-board.ts';
import { convergence } from './metrics.ts';
import type { MadeListener } from './table-queues.ts';

/** Changes of one network that are timed at once; beyond, the oldest is given up. */
const MAX_PENDING = 1_000;
/** A change that is not everywhere by then is a host that is away, not a slow one. */
const GIVE_UP_MS = 60_000;

interface Timed {
  readonly revision: number;
  readonly time: number;
}

interface NetworkClock extends Disposable {
  membersVersion: number;
  /** Host → the highest revision it has acknowledged while this clock ran. */
  readonly acked: Map<HostId, number>;
  /** Oldest first. */
  pending: Timed[];
}

/** Measures how long this replica's changes take from their commit until every host has them. */
export class ConvergenceClock implements MadeListener {
  readonly #board: AckBoard;
  readonly #now: () => number;
  readonly #networks = new Map<Uuid, NetworkClock>();

  constructor(board: AckBoard, now: () => number) {
    this.#board = board;
    this.#now = now;
  }

  knownMembers(networkId: Uuid): number {
    return this.#networks.get(networkId)?.membersVersion ?? 0;
  }

  made(networkId: Uuid, { made, members, membersVersion }: Applied): void {
    if (made === undefined && members === undefined) return;
    const clock = this.#networks.get(networkId) ?? this.#begin(networkId);
    clock.membersVersion = membersVersion;
    if (members !== undefined) setMembers(clock.acked, members);
    if (clock.acked.size === 0) {
      // Nobody is there who could acknowledge.
      this.#end(networkId, clock);
      return;
    }
    if (made === undefined) return;
    const now = this.#now();
    clock.pending = clock.pending.filter(({ time }) => now - time < GIVE_UP_MS).slice(1 - MAX_PENDING);
    clock.pending.push(made);
  }

  /** Stops all. */
  close(): void {
    for (const [networkId, clock] of this.#networks) this.#end(networkId, clock);
  }

  #begin(networkId: Uuid): NetworkClock {
    const acked = new Map<HostId, number>();
    const listening = this.#board.listen(networkId, (hostId, revision) => {
      const known = acked.get(hostId);
      if (known === undefined || revision <= known) return;
      acked.set(hostId, revision);
      if (clock.pending.length > 0) this.#record(clock);
    });
    const clock: NetworkClock = {
      membersVersion: 0,
      acked,
      pending: [],
      [Symbol.dispose]: () => {
        listening[Symbol.dispose]();
      },
    };
    this.#networks.set(networkId, clock);
    return clock;
  }

  #end(networkId: Uuid, clock: NetworkClock): void {
    clock[Symbol.dispose]();
    this.#networks.delete(networkId);
  }

  #record(clock: NetworkClock): void {
    const everywhere = Math.min(...clock.acked.values());
    const now = this.#now();
    const done = clock.pending.filter(({ revision }) => revision <= everywhere);
    clock.pending = clock.pending.slice(done.length);
    for (const { time } of done) convergence.record(Math.max(0, now - time) / 1_000);
  }
}

const setMembers = (acked: Map<HostId, number>, members: readonly HostId[]): void => {
  const now = new Set(members);
  for (const host of acked.keys()) if (!now.has(host)) acked.delete(host);
  for (const host of now) if (!acked.has(host)) acked.set(host, 0);
};

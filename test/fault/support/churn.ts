import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import {
  Port as PortMessage,
  type Network,
  type Port,
  type TopologyServiceService,
} from '#proto/weft/topology/v1/topology.ts';
import { tapOf, type TapMaker } from '../../bench/taps.ts';
import type { LabWeft } from '../../system/lab-weft.ts';
import type { Random } from './random.ts';

/** What a client of topology calls. */
export type Topology = Pick<RpcClient<typeof TopologyServiceService>, 'createPort' | 'deletePort'>;

const PATIENCE_MS = 40_000;

/** Calls until there is an answer: what a client does that is told UNAVAILABLE or nothing at all, with the same request each time. */
const persistently = async <T>(call: () => Promise<T>): Promise<T> => {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const passing = error instanceof DomainError && (error.code === 'unavailable' || error.code === 'deadline');
      if (!passing || performance.now() > end) throw error;
      await wait(50);
    }
  }
};

/** A port that the control plane has acknowledged, and where its tap is. */
interface Held {
  readonly port: Port;
  host: string | undefined;
}

export interface ChurnOptions {
  readonly weft: LabWeft;
  readonly network: Network;
  readonly taps: ReadonlyMap<string, TapMaker>;
  readonly random: Random;
  readonly workers: number;
  /** Who is called, each time one of them by chance; the lab's own topology when left out. */
  readonly replicas?: readonly Topology[];
  /** Milliseconds of rest between two steps of a worker; 10 when left out. */
  readonly pauseMs?: number;
  /** Each worker keeps about so many ports; 12 when left out. */
  readonly portsPerWorker?: number;
}

/**
 * Several clients that create ports, plug them on hosts, move them, unplug and delete them, each its own, until stopped. What
 * was acknowledged is remembered: it must be true whatever died meanwhile.
 */
export class Churn implements AsyncDisposable {
  readonly #options: ChurnOptions;
  readonly #held = new Map<string, Held>();
  readonly #deleted = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #workers: readonly Promise<void>[];
  #steps = 0;

  constructor(options: ChurnOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.workers }, async () => this.#work());
  }

  get steps(): number {
    return this.#steps;
  }
  /** Acknowledged and not deleted. */
  get ports(): readonly Port[] {
    return [...this.#held.values()].map(({ port }) => port);
  }
  /** Acknowledged deletions. */
  get deleted(): ReadonlySet<string> {
    return this.#deleted;
  }
  /** Where the tap of each port is. */
  get places(): ReadonlyMap<string, string> {
    return new Map([...this.#held].flatMap(([id, { host }]) => (host === undefined ? [] : [[id, host] as const])));
  }

  /** Resolves once the last step of each worker is done; rejects with the first that failed. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#workers);
  }

  /** Stops what a failed test left running. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#workers);
  }

  async #work(): Promise<void> {
    const own: Held[] = [];
    const { pauseMs = 10 } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await this.#step(own);
      this.#steps += 1;
      await wait(pauseMs);
    }
  }

  async #step(own: Held[]): Promise<void> {
    const { random, portsPerWorker = 12 } = this.#options;
    const held = random.pick(own);
    if (held === undefined || (own.length < portsPerWorker && random.below(3) === 0)) own.push(await this.#create());
    else if (held.host === undefined) {
      if (random.below(4) > 0) this.#plug(held);
      else await this.#remove(own, held);
    } else if (random.below(2) === 0) this.#plug(held);
    else this.#unplug(held);
  }

  async #create(): Promise<Held> {
    const { network } = this.#options;
    const request = {
      port: PortMessage.fromPartial({ network_id: network.id }),
      request_id: randomUUID(),
      validate_only: false,
    };
    const port = await persistently(async () => (await this.#topology()).createPort(request));
    const held: Held = { port, host: undefined };
    this.#held.set(held.port.id, held);
    return held;
  }

  async #remove(own: Held[], held: Held): Promise<void> {
    own.splice(own.indexOf(held), 1);
    const request = { id: held.port.id, etag: '', request_id: randomUUID(), validate_only: false };
    this.#held.delete(held.port.id);
    await persistently(async () => (await this.#topology()).deletePort(request));
    this.#deleted.add(held.port.id);
  }

  async #topology(): Promise<Topology> {
    const { weft, replicas, random } = this.#options;
    return random.pick(replicas ?? []) ?? (await weft.connections.topology());
  }

  /** On some other host; what was plugged before moves. */
  #plug(held: Held): void {
    const { taps, random } = this.#options;
    const before = held.host;
    const to = random.pick([...taps.keys()].filter((host) => host !== before));
    if (to === undefined) return;
    taps.get(to)?.add([tapOf(held.port.id)]);
    held.host = to;
    if (before !== undefined) taps.get(before)?.remove([tapOf(held.port.id)]);
  }

  #unplug(held: Held): void {
    this.#options.taps.get(held.host ?? '')?.remove([tapOf(held.port.id)]);
    held.host = undefined;
  }
}

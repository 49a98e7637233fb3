import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import type { Acknowledgement, HostProgressStore } from './ports.ts';

/** Hears of acknowledgements of one network, in the turn they come. Must not throw. */
export type AckListener = (hostId: HostId, revision: number) => void;

/** Above this many waiting acknowledgements new ones are not kept: hosts report what they hold anyway. */
const MAX_PENDING = 100_000;
const RETRY_MS = 250;
const GATHER_MS = 8;

/**
 * Where acknowledgements of hosts come in. Those who wait hear of them at once; the store gets what is newest of each host
 * and network, one round trip at a time, so that a flood of them costs few.
 */
export class AckBoard {
  readonly #store: HostProgressStore;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #listeners = new Map<Uuid, Set<AckListener>>();
  /** Newest per network and host. */
  #pending = new Map<string, Acknowledgement>();
  #writing: Promise<void> | undefined;
  readonly #halt = new AbortController();

  constructor(store: HostProgressStore, now: () => number, log: Log) {
    this.#store = store;
    this.#now = now;
    this.#log = log;
  }

  /** An acknowledgement has come. */
  hear(ack: Acknowledgement): void {
    this.tell(ack);
    const key = `${ack.networkId} ${ack.hostId}`;
    const known = this.#pending.get(key);
    if (known !== undefined ? known.revision >= ack.revision : this.#pending.size >= MAX_PENDING) return;
    this.#pending.set(key, ack);
    this.#writing ??= this.#write();
  }

  /** Tells those who wait of what the store has already. */
  tell({ networkId, hostId, revision }: Acknowledgement): void {
    for (const listener of this.#listeners.get(networkId) ?? []) listener(hostId, revision);
  }

  /** Until disposed. */
  listen(networkId: Uuid, listener: AckListener): Disposable {
    const listeners = this.#listeners.get(networkId) ?? new Set();
    this.#listeners.set(networkId, listeners.add(listener));
    return {
      [Symbol.dispose]: () => {
        listeners.delete(listener);
        if (listeners.size === 0) this.#listeners.delete(networkId);
      },
    };
  }

  /** Resolves once what came is stored or given up. */
  async close(): Promise<void> {
    this.#halt.abort();
    await this.#writing;
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    // Those who wait have heard; the store can wait for the other hosts of the same change.
    await sleep(GATHER_MS, this.#halt.signal).catch(() => undefined);
    for (let failures = 0; this.#pending.size > 0;) {
      const taken = this.#pending;
      this.#pending = new Map();
      try {
        await this.#store.acknowledge([...taken.values()], this.#now(), new AbortController().signal);
        failures = 0;
      } catch (error) {
        if (failures === 0)
          this.#log.warn({ err: toError(error), acks: taken.size }, 'acknowledgements cannot be stored');
        failures += 1;
        if (this.#halt.signal.aborted) break;
        for (const [key, ack] of taken) {
          if ((this.#pending.get(key)?.revision ?? -1) < ack.revision) this.#pending.set(key, ack);
        }
        await sleep(RETRY_MS, this.#halt.signal).catch(() => undefined);
      }
    }
    this.#writing = undefined;
  }
}

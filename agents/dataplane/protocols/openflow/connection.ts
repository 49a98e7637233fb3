import { aborted } from '#platform/async/aborted.ts';
import { backoffMs } from '#platform/async/backoff.ts';
import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { Dial } from '../../sys/stream-socket.ts';
import { ChangeQueue } from './change-queue.ts';
import { Channel, unreachable } from './channel.ts';
import type { Flow, FlowMod } from './flow.ts';
import type { FlowFilter } from './flow-messages.ts';
import type { Message } from './message.ts';
import { News } from './news.ts';
import type { NewsListener } from './news.ts';
import { readFlows } from './read-flows.ts';
import type { CountedFlows } from './read-flows.ts';

export interface OpenFlowOptions {
  readonly dial: Dial;
  /** The bridge's management socket, e.g. `/run/openvswitch/br-int.mgmt`. */
  readonly path: string;
  readonly log: Log;
  /** Milliseconds of silence after which the switch is asked whether it lives; as long again, and it is taken for dead. */
  readonly probeMs?: number;
  /** Who is told what the switch tells unasked; without, it is asked to tell nothing. */
  readonly news?: NewsListener;
  /** Connected: also after the switch was away. */
  readonly onConnected: () => void;
  /** The connection was lost, and with it all knowledge of the flows: ovs-vswitchd may have started anew, without any. */
  readonly onLost: (error: Error) => void;
}

interface Link {
  readonly channel: Channel;
  readonly changes: ChangeQueue;
}

const BACKOFF = { baseMs: 50, maxMs: 2_000 };
const PROBE_MS = 5_000;

/** Keeps connected to the OpenFlow side of a bridge from `start` to `stop`. Whoever makes it stops it. */
export class OpenFlowConnection implements AsyncDisposable {
  readonly #options: OpenFlowOptions;
  readonly #halt = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #link: Link | undefined;
  /** Why there is no connection any more. */
  #reason: Error | undefined;

  constructor(options: OpenFlowOptions) {
    this.#options = options;
    this.#first.promise.catch(() => undefined);
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }

  /**
   * Begins to connect, and goes on until `stop`; resolves with the first connection. Rejects with `unavailable` when it is
   * stopped before, and with the signal's reason, for which it does not end.
   */
  async start(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#run(this.#halt.signal);
    using abort = aborted(signal);
    await Promise.race([this.#first.promise, abort.promise]);
  }

  /** Disconnects; what is under way rejects with `unavailable`. Resolves once nothing of it runs. */
  async stop(): Promise<void> {
    this.#reason = new Error('stopped');
    this.#first.reject(unreachable(this.#options.path, this.#reason));
    this.#halt.abort(this.#reason);
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Makes changes in order, those of one call at one instant. One answer each, in order: undefined when the switch has
   * confirmed it, else why it was refused: what is refused does not keep the others from being done. Calls that wait for
   * one before them go together. Rejects with `unavailable` without a connection or when it ends (then nobody knows what was
   * done), and with the signal's reason at once (what was sent is still done).
   */
  async apply(mods: readonly FlowMod[], signal: AbortSignal): Promise<readonly (string | undefined)[]> {
    signal.throwIfAborted();
    return mods.length === 0 ? [] : await this.#connected().changes.apply(mods, signal);
  }

  /** The flows that are there, in no order. Rejects as `apply` does. */
  async dump(filter: FlowFilter, signal: AbortSignal): Promise<readonly Flow[]> {
    return (await this.count(filter, signal)).flows;
  }

  /** As `dump`, with how many packets each has had. */
  async count(filter: FlowFilter, signal: AbortSignal): Promise<CountedFlows> {
    signal.throwIfAborted();
    using abort = aborted(signal);
    return await Promise.race([readFlows(this.#connected().channel, filter), abort.promise]);
  }

  #connected(): Link {
    if (this.#link !== undefined) return this.#link;
    throw unreachable(this.#options.path, this.#reason ?? new Error('not connected yet'));
  }

  async #run(halt: AbortSignal): Promise<void> {
    const { path, log } = this.#options;
    for (let failures = 0; !halt.aborted; failures += 1) {
      const begun = performance.now();
      const error = await this.#connectOnce(halt);
      if (halt.aborted) return;
      if (performance.now() - begun > BACKOFF.maxMs) failures = 0;
      if (error.message !== this.#reason?.message) log.warn({ path, err: error }, 'no OpenFlow connection');
      this.#reason = error;
      await sleep(backoffMs(failures, BACKOFF, Math.random), halt).catch(() => undefined);
    }
  }

  /** Resolves with what ended the connection or kept it from being made. */
  async #connectOnce(halt: AbortSignal): Promise<Error> {
    const { dial, path, log, probeMs = PROBE_MS, onConnected, onLost } = this.#options;
    const news = this.#options.news && new News(this.#options.news, log);
    const onUnasked = (message: Message): void => news?.unasked(message);
    let channel: Channel;
    try {
      channel = await Channel.open({ dial, path, probeMs, onUnasked }, halt);
      news?.subscribe(channel);
    } catch (error) {
      return toError(error);
    }
    using abort = aborted(halt);
    this.#link = { channel, changes: new ChangeQueue(channel) };
    this.#reason = undefined;
    this.#first.resolve();
    log.info({ path }, 'OpenFlow connected');
    onConnected();
    const error = await Promise.race([channel.ended, abort.promise.catch(toError)]);
    this.#link = undefined;
    channel.close(error);
    if (!halt.aborted) onLost(error);
    return error;
  }
}

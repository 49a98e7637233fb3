import { aborted } from '#platform/async/aborted.ts';
import { changeFlows } from './change-flows.ts';
import type { Channel } from './channel.ts';
import type { FlowMod } from './flow.ts';

type Answers = readonly (string | undefined)[];

interface Request {
  readonly mods: readonly FlowMod[];
  readonly answers: PromiseWithResolvers<Answers>;
}

/** The changes that go over one channel, in the order they were asked for; those that wait for others go together. */
export class ChangeQueue {
  readonly #channel: Channel;
  #waiting: readonly Request[] = [];
  #busy = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** As `changeFlows`; at an abort it rejects at once, and only what has not been sent is not done. */
  async apply(mods: readonly FlowMod[], signal: AbortSignal): Promise<Answers> {
    const request = { mods, answers: Promise.withResolvers<Answers>() };
    // After an abort nobody listens.
    request.answers.promise.catch(() => undefined);
    this.#waiting = [...this.#waiting, request];
    if (!this.#busy) void this.#work();
    using abort = aborted(signal);
    try {
      return await Promise.race([request.answers.promise, abort.promise]);
    } finally {
      this.#waiting = this.#waiting.filter((waiting) => waiting !== request);
    }
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const requests = this.#waiting;
      this.#waiting = [];
      try {
        const answers = await changeFlows(
          this.#channel,
          requests.flatMap(({ mods }) => mods),
        );
        let at = 0;
        for (const request of requests) {
          request.answers.resolve(answers.slice(at, at + request.mods.length));
          at += request.mods.length;
        }
      } catch (error) {
        for (const request of requests) request.answers.reject(error);
      }
    }
    this.#busy = false;
  }
}

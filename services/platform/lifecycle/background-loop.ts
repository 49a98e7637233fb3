import { aborted } from '#platform/async/aborted.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Component } from './component.ts';

/**
 * Work that runs from start to stop. `body` must return or throw once its signal aborts; when it ends before that, in
 * either way, `onFatal` is told, once: what nobody restarts must not end unseen.
 */
export class BackgroundLoop implements Component {
  readonly name: string;
  readonly #body: (signal: AbortSignal) => Promise<void>;
  readonly #onFatal: (error: Error) => void;
  readonly #halt = new AbortController();
  #running: Promise<void> | undefined;

  constructor(name: string, body: (signal: AbortSignal) => Promise<void>, onFatal: (error: Error) => void) {
    this.name = name;
    this.#body = body;
    this.#onFatal = onFatal;
  }

  /** Resolves once the body has begun. */
  start(): Promise<void> {
    this.#running ??= this.#run();
    return Promise.resolve();
  }

  /** Resolves once the body has ended; rejects with the signal's reason when it does not. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#halt.abort();
    if (this.#running === undefined) return;
    using abort = aborted(signal);
    await Promise.race([this.#running, abort.promise]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#halt;
    try {
      await this.#body(signal);
      if (!signal.aborted) this.#onFatal(new Error(`${this.name} ended although nobody stopped it`));
    } catch (error) {
      // After the stop it is the stop that made it throw.
      if (!signal.aborted) this.#onFatal(toError(error));
    }
  }
}

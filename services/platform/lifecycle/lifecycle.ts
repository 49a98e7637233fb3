import { aborted } from '#platform/async/aborted.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { follow } from '#platform/async/follow.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from './component.ts';

export interface SlowComponent {
  readonly component: string;
  readonly phase: 'start' | 'stop';
  /** How long it has been at it; it still is. */
  readonly ms: number;
}

export interface LifecycleOptions {
  /** What one component has to stop, in milliseconds; after that it is left behind and the next one stops. */
  readonly graceMs: number;
  /** Milliseconds until a start or a stop is reported as slow; 1000 unless told. */
  readonly slowMs?: number;
  /** Told once for each start and each stop that takes longer than `slowMs`, while it still does. */
  readonly onSlow?: (slow: SlowComponent) => void;
}

/**
 * Starts components in order and stops them in reverse; `await using` stops them at the end of the scope. A component
 * whose own start fails cleans up after itself, those before it are stopped.
 */
export class Lifecycle implements AsyncDisposable {
  readonly #components: readonly Component[];
  readonly #options: LifecycleOptions;
  readonly #started: Component[] = [];
  readonly #halt = new AbortController();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(components: readonly Component[], options: LifecycleOptions) {
    this.#components = components;
    this.#options = options;
  }

  /**
   * Resolves once all have started. When one fails, or the signal aborts, stops those that had started and rejects with
   * the cause. A component's start signal aborts once the starting is over, so nothing may keep it. Once only.
   */
  async start(signal: AbortSignal): Promise<void> {
    if (this.#starting !== undefined || this.#stopping !== undefined) {
      throw new DomainError('internal', 'STARTED_TWICE', 'a lifecycle starts once');
    }
    this.#starting = this.#startAll(signal);
    try {
      await this.#starting;
    } catch (error) {
      // The cause of the failed start says more than what went wrong in clearing up after it.
      await (this.#stopping ??= this.#stopAll(new AbortController().signal)).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Stops what has started, also in the middle of starting. All get their turn whatever happens to one; then rejects with
   * what went wrong. An aborting signal cuts the grace short. Later calls get the first one's result.
   */
  stop(signal: AbortSignal): Promise<void> {
    return (this.#stopping ??= this.#stopAll(signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(new AbortController().signal);
  }

  async #startAll(signal: AbortSignal): Promise<void> {
    using linked = follow(signal, this.#halt.signal);
    try {
      for (const component of this.#components) {
        linked.signal.throwIfAborted();
        using _slow = this.#reportSlow(component, 'start');
        await this.#startOne(component, linked.signal);
      }
    } finally {
      linked.abort(new DomainError('internal', 'START_IS_OVER', 'the starting is over'));
    }
  }

  async #startOne(component: Component, signal: AbortSignal): Promise<void> {
    const attempt = start(component, signal).then(() => {
      this.#started.push(component);
    });
    using abort = aborted(signal);
    try {
      await Promise.race([abort.promise, attempt]);
    } catch (error) {
      // Let it clean up before those it stands on are stopped, or finish, and then be stopped itself.
      if (signal.aborted) {
        await withDeadline(this.#options.graceMs, new AbortController().signal, () => attempt).catch(() => undefined);
      }
      throw error;
    }
  }

  async #stopAll(signal: AbortSignal): Promise<void> {
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'stopped while starting'));
    await this.#starting?.catch(() => undefined);
    const failures: Error[] = [];
    for (const component of this.#started.toReversed()) {
      using _slow = this.#reportSlow(component, 'stop');
      try {
        await stopWithin(this.#options.graceMs, component, signal);
      } catch (error) {
        const { message } = toError(error);
        failures.push(new Error(`${component.name} did not stop: ${message}`, { cause: error }));
      }
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, failures.map((failure) => failure.message).join('; '));
    }
  }

  #reportSlow(component: Component, phase: 'start' | 'stop'): Disposable {
    const ms = this.#options.slowMs ?? 1_000;
    const timer = setTimeout(() => this.#options.onSlow?.({ component: component.name, phase, ms }), ms);
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
      },
    };
  }
}

/** A component that throws before its first `await` rejects like any other. */
const start = async (component: Component, signal: AbortSignal): Promise<void> => {
  await component.start(signal);
};

/** An aborted signal is passed on rather than obeyed: the component still has to be told to stop. */
const stopWithin = async (graceMs: number, component: Component, signal: AbortSignal): Promise<void> => {
  using linked = follow(signal);
  const timer = setTimeout(() => {
    linked.abort(new DomainError('deadline', 'GRACE_IS_OVER', `still running after ${graceMs.toString()} ms`));
  }, graceMs);
  try {
    const stopping = (async () => {
      await component.stop(linked.signal);
    })();
    using abort = aborted(linked.signal);
    await Promise.race([stopping, abort.promise]);
  } finally {
    clearTimeout(timer);
  }
};

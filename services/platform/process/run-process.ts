import { aborted } from '#platform/async/aborted.ts';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import { Lifecycle } from '#platform/lifecycle/lifecycle.ts';
import type { Log } from '#platform/log/log.ts';
import { EXIT_FAILURE, EXIT_OK, reportFailure } from './report-failure.ts';
import { watchProcess } from './watch-process.ts';

export interface RunOptions {
  /** What each component has to stop, in milliseconds. */
  readonly graceMs: number;
  readonly log: Log;
}

/** Makes the components, in start order, and starts none. `fail` ends the process: for what breaks while it runs. */
export type Build = (fail: (error: Error) => void) => Promise<readonly Component[]> | readonly Component[];

// What is left in the event loop after everything stopped is a leak; it must not keep the process.
const LINGER_MS = 1_000;

/**
 * Runs a process: builds, starts, waits for SIGTERM, SIGINT or a failure, stops in reverse. Resolves after the stop with
 * the exit code set: 0 after a signal, 1 after a failure (logged) or a stop that did not succeed, 2 when what it was told
 * is invalid (a sentence on standard error). A second signal ends it at once with 130; an uncaught exception or
 * unhandled rejection is a failure, a second one ends it at once.
 */
export const runProcess = async (name: string, build: Build, { graceMs, log }: RunOptions): Promise<void> => {
  const ending = new AbortController();
  let exitCode: number = EXIT_OK;
  const fail = (error: Error): void => {
    // The first failure is the cause, the rest mostly its consequences: worth a line, not another ending.
    if (ending.signal.aborted) log.warn({ err: error }, 'failed while stopping');
    else exitCode = reportFailure(name, error, log);
    ending.abort(new DomainError('unavailable', 'STOPPING', `${name} is stopping`));
  };
  using _watch = watchProcess({
    log,
    onFailure: fail,
    onSignal: (signal) => {
      log.info({ signal }, 'stopping');
      ending.abort(new DomainError('unavailable', 'STOPPING', `${name} is stopping`));
    },
  });
  using ended = aborted(ending.signal);
  let lifecycle: Lifecycle | undefined;
  try {
    const began = performance.now();
    const components = await Promise.race([ended.promise, attempt(build, fail)]);
    lifecycle = new Lifecycle(components, {
      graceMs,
      onSlow: ({ component, phase, ms }) => {
        log.warn({ component, ms }, phase === 'start' ? 'slow to start' : 'slow to stop');
      },
    });
    await lifecycle.start(ending.signal);
    log.info({ components: components.length, ms: Math.round(performance.now() - began) }, 'running');
    await ended.promise;
  } catch (error) {
    if (!ending.signal.aborted) fail(toError(error));
  }
  try {
    await lifecycle?.stop(new AbortController().signal);
  } catch (error) {
    log.error({ err: error }, 'did not stop cleanly');
    if (exitCode === EXIT_OK) exitCode = EXIT_FAILURE;
  }
  log.info({ exit_code: exitCode }, 'stopped');
  process.exitCode = exitCode;
  leaveWithin(LINGER_MS, log);
};

/** A `build` that throws before its first `await` fails like any other. */
const attempt = async (build: Build, fail: (error: Error) => void): Promise<readonly Component[]> => await build(fail);

const leaveWithin = (ms: number, log: Log): void => {
  const timer = setTimeout(() => {
    log.warn({ resources: process.getActiveResourcesInfo() }, 'left open by what was stopped');
    process.exit();
  }, ms);
  timer.unref();
};

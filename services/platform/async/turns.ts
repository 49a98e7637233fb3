import { setImmediate } from 'node:timers/promises';

/** Work that says, by `yield`, where it may rest. */
export type InTurns<R> = Generator<undefined, R, undefined>;

/** How long it goes on while others wait for their turn. */
const TURN_MS = 5;

/** Does it in turns of some milliseconds, between which all else has its own. Rejects with the signal's reason. */
export const inTurns = async <R>(work: InTurns<R>, signal: AbortSignal): Promise<R> => {
  let turn = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - turn < TURN_MS) continue;
    await setImmediate();
    signal.throwIfAborted();
    turn = performance.now();
  }
};

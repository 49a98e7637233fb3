import type { InTurns } from '#platform/async/turns.ts';

/** Does all of it without a turn for others. */
export const atOnce = <R>(work: InTurns<R>): R => {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
};

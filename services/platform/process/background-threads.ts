import { readdirSync, readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

const THREADS = '/proc/self/task';
/** As Node.js calls the threads that V8 compiles on. */
const COMPILER = 'V8Worker';
/** With it no thread but the main one collects garbage, so nothing waits for the others. */
const COLLECTS_ALONE = '--single-threaded-gc';

/**
 * Lets all else that this process does, and all other work of its session or control group, go before the compiling of its
 * JavaScript, which can wait. A priority is a thread's on Linux (setpriority(2), "C library/kernel differences"), and counts no
 * further than that (sched(7), "The autogroup feature"). Does nothing where V8 also collects garbage on these threads: the main one would wait for them. Returns how
 * many threads it were.
 */
export const yieldToOthers = (flags: readonly string[] = process.execArgv): number => {
  if (!flags.includes(COLLECTS_ALONE)) return 0;
  let count = 0;
  for (const thread of readdirSync(THREADS)) if (yields(thread)) count += 1;
  return count;
};

/** False for other threads, for one that has ended meanwhile, and where the system does not let it: it is no more than a courtesy. */
const yields = (thread: string): boolean => {
  try {
    if (readFileSync(`${THREADS}/${thread}/comm`, 'utf8').trim() !== COMPILER) return false;
    setPriority(Number(thread), constants.priority.PRIORITY_LOW);
    return true;
  } catch {
    return false;
  }
};

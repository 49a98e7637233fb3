import { readdirSync, readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

const THREADS = '/proc/self/task';
/** As Node.js calls the threads that V8 compiles on. */
const COMPILER = 'V8Worker';
/** With it no thread but the main one collects garbage, so nothing waits for the others. */
const COLLECTS_ALONE = '--single-threaded-gc';

/**
 * Lets all other work on the machine go before the compiling of this process' JavaScript, which can wait: where many hosts
 * share a machine they compile at the same moments. A priority is a thread's on Linux (setpriority(2), "C library/kernel
 * differences"). Does nothing where V8 also collects garbage on these threads: the main one would wait for them. Returns how
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

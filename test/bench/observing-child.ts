import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';

/** What is measured must not wait for who observes it, nor the observer's clock for what is measured. */
const NICENESS = -15;

/**
 * Starts a program that observes, before all others in line for a processor, and gone when this process is. It is a session
 * of its own: among sessions, a kernel goes by what each of them is worth, and not its processes (sched(7), "The autogroup
 * feature").
 */
export const spawnObserver = (
  argv: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcessByStdio<Writable, Readable, null> => {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) return child;
  setPriority(pid, NICENESS);
  try {
    writeFileSync(`/proc/${pid.toString()}/autogroup`, NICENESS.toString());
  } catch {
    // A kernel without them: the process's own is what counts.
  }
  return child;
};

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface ServerProcess {
  readonly pid: number;
  /** SIGKILL: what a crash looks like; resolves when the process is gone. */
  kill9(): Promise<void>;
  /** SIGTERM, and SIGKILL when that has not helped within 3 s. */
  terminate(): Promise<void>;
  /** SIGSTOP: alive, but silent. */
  pause(): void;
  resume(): void;
}

/** Starts a server program and waits until `answers` says that it serves; throws with what it printed otherwise. */
export const startServer = async (
  argv: readonly [string, ...string[]],
  answers: () => Promise<boolean>,
): Promise<ServerProcess> => {
  const [program, ...args] = argv;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const keep = (chunk: Buffer): void => {
    printed = `${printed}${chunk.toString()}`.slice(-4_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  child.once('error', failure.reject);
  child.once('exit', (code) => {
    failure.reject(new Error(`${program} ended with ${String(code)}: ${printed}`));
  });
  const end = performance.now() + 10_000;
  try {
    while (!(await Promise.race([failure.promise, answers()]))) {
      if (performance.now() > end) throw new Error(`${program} does not answer: ${printed}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
  } catch (error) {
    await end9(child);
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    kill9: () => end9(child),
    terminate: async () => {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await gone(child);
      clearTimeout(timer);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
};

const end9 = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGKILL');
  await gone(child);
};

const gone = async (child: ChildProcess): Promise<void> => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await once(child, 'exit');
};

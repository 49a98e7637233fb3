import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';

/** A daemon of a namespace, known by the file that it writes its pid to and by its arguments, which name that file. */
export interface DaemonIdentity {
  /** A name of `ip netns`. */
  readonly namespace: string;
  readonly argv: readonly string[];
  readonly pidFile: string;
}

/** A daemon as it runs. */
export interface RunningDaemon {
  readonly pid: number;
  /** Clock ticks since boot: a pid is used again, but not with the same start. */
  readonly startTime: number;
  readonly argv: readonly string[];
  /** Whether it is in the namespace that has the name now; the one it is in may have lost its name. */
  readonly isInNamespace: boolean;
}

const POLL_MS = 10;
const TERM_MS = 2_000;
const KILL_MS = 5_000;

/** Daemons that live longer than this process: found by what the kernel says of them, told by signals, ended by pid. */
export interface Daemons {
  /** The process of the pid file when it is that program with that pid file; else, of the namespace, one that is. */
  find(daemon: DaemonIdentity): RunningDaemon | undefined;
  /** Whether exactly that process still runs. */
  isAlive(running: RunningDaemon): boolean;
  /** False when there is no such process. */
  signal(daemon: DaemonIdentity, signal: NodeJS.Signals): boolean;
  /** SIGTERM, after two seconds SIGKILL; resolves when it is gone. Rejects with `deadline` when it stays. */
  end(daemon: DaemonIdentity, signal: AbortSignal): Promise<void>;
}

/** The daemons of this process' own pid and mount namespace. */
export const ownDaemons: Daemons = {
  find: (daemon) => find(daemon),
  isAlive: ({ pid, startTime }) => startOf(pid) === startTime,
  signal: (daemon, signal) => {
    const running = find(daemon);
    return running !== undefined && kill(running, signal);
  },
  end: async (daemon, signal) => {
    const running = find(daemon);
    if (running === undefined) return;
    kill(running, 'SIGTERM');
    const start = performance.now();
    for (let killed = false; startOf(running.pid) === running.startTime;) {
      const spent = performance.now() - start;
      if (spent > KILL_MS) {
        throw new DomainError('deadline', 'PROCESS_STAYS', `process ${running.pid.toString()} does not end`);
      }
      if (spent > TERM_MS && !killed) killed = kill(running, 'SIGKILL');
      await sleep(POLL_MS, signal);
    }
  },
};

const find = (daemon: DaemonIdentity): RunningDaemon | undefined => {
  const inode = namespaceInode(daemon.namespace);
  const written = Number.parseInt(read(daemon.pidFile) ?? '', 10);
  const byFile = Number.isSafeInteger(written) && written > 1 ? look(written, daemon, inode) : undefined;
  if (byFile !== undefined || inode === undefined) return byFile;
  // Somebody took its pid file away, or it is still to be written.
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const running = look(Number(name), daemon, inode);
    // Hosts that share their processes (a lab's) have like paths: only the namespace tells whose it is.
    if (running?.isInNamespace === true) return running;
  }
  return undefined;
};

const look = (pid: number, { argv, pidFile }: DaemonIdentity, inode: number | undefined): RunningDaemon | undefined => {
  const running = (read(`/proc/${pid.toString()}/cmdline`) ?? '').split('\0').slice(0, -1);
  const [program = ''] = argv;
  if (baseName(running[0] ?? '') !== baseName(program) || !running.some((word) => word.endsWith(pidFile)))
    return undefined;
  const startTime = startOf(pid);
  if (startTime === undefined) return undefined;
  const own = linked(`/proc/${pid.toString()}/ns/net`);
  return { pid, startTime, argv: running, isInNamespace: inode !== undefined && own === `net:[${inode.toString()}]` };
};

/** Undefined for a process that is gone; one that has ended but that nobody has collected counts as gone. */
const startOf = (pid: number): number | undefined => {
  const stat = read(`/proc/${pid.toString()}/stat`);
  if (stat === undefined) return undefined;
  // The name stands in parentheses and may hold some itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
};

const kill = ({ pid, startTime }: RunningDaemon, signal: NodeJS.Signals): boolean => {
  if (startOf(pid) !== startTime) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
};

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const namespaceInode = (name: string): number | undefined => {
  try {
    return statSync(`/run/netns/${name}`).ino;
  } catch {
    return undefined;
  }
};

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

const linked = (path: string): string | undefined => {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
};

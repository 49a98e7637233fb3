import { readdirSync, readFileSync, statSync } from 'node:fs';

/** A process beyond doubt: a pid is used again, but not with the same start. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly startTime: number;
}

/** What the kernel says of a process. */
export interface ProcessInfo extends ProcessIdentity {
  readonly parent: number;
  readonly session: number;
  /** The kernel's letter: R, S, D, T (stopped), Z (ended, not yet collected), … */
  readonly state: string;
  readonly threads: number;
  /** The first 15 bytes of its name. */
  readonly command: string;
}

/** Reads /proc/<pid>/stat; undefined when there is no such process. One that has ended but was not collected counts as none. */
export const processInfo = (pid: number): ProcessInfo | undefined => {
  const info = readStat(pid);
  return info === undefined || hasEnded(info) ? undefined : info;
};

// Its first thread may have ended before others have: until they have too, its sockets still listen.
const hasEnded = ({ state, threads }: ProcessInfo): boolean => state === 'X' || (state === 'Z' && threads <= 1);

/** Who a pid is now, also when it has just ended and was not collected; undefined when there is no such process. */
export const processIdentity = (pid: number): ProcessIdentity | undefined => {
  const info = readStat(pid);
  return info === undefined ? undefined : { pid, startTime: info.startTime };
};

/** Whether exactly that process still runs (stopped by SIGSTOP counts as running). */
export const isAlive = (identity: ProcessIdentity): boolean =>
  processInfo(identity.pid)?.startTime === identity.startTime;

/** Its arguments; empty for a process that is gone. */
export const processArguments = (pid: number): readonly string[] =>
  (readProc(pid, 'cmdline') ?? '').split('\0').slice(0, -1);

/** The inode of its network namespace, by which namespaces are told apart; undefined when it is gone. */
export const networkNamespaceOf = (pid: number): number | undefined => inode(`/proc/${pid.toString()}/ns/net`);

/** The inode of its UTS namespace; undefined when it is gone. */
export const utsNamespaceOf = (pid: number): number | undefined => inode(`/proc/${pid.toString()}/ns/uts`);

/** The inode of the namespace that `ip netns` knows by that name; undefined when there is none. */
export const namespaceInode = (name: string): number | undefined => inode(`/run/netns/${name}`);

/** Whether its environment holds this `NAME=value`. */
export const hasMark = (pid: number, mark: string): boolean =>
  (readProc(pid, 'environ') ?? '').split('\0').includes(mark);

/** All processes. */
export const allProcesses = (): readonly ProcessInfo[] =>
  readdirSync('/proc').flatMap((name) => {
    const info = /^\d+$/.test(name) ? processInfo(Number(name)) : undefined;
    return info === undefined ? [] : [info];
  });

/** Those in one of these network namespaces, given by inode. */
export const processesInNamespaces = (inodes: ReadonlySet<number>): readonly ProcessInfo[] =>
  allProcesses().filter((info) => inodes.has(networkNamespaceOf(info.pid) ?? -1));

/** Sends a signal if exactly that process still runs; tells whether it did. */
export const signalProcess = (identity: ProcessIdentity, signal: NodeJS.Signals): boolean => {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
};

/** Differs after each boot of the machine, and with it all pids. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

const readStat = (pid: number): ProcessInfo | undefined => {
  const text = readProc(pid, 'stat');
  if (text === undefined) return undefined;
  // The name stands in parentheses and may hold some itself.
  const close = text.lastIndexOf(')');
  const [state = 'Z', parent, , session, ...rest] = text.slice(close + 2).split(' ');
  return {
    pid,
    startTime: Number(rest[15]),
    parent: Number(parent),
    session: Number(session),
    state,
    threads: Number(rest[13]),
    command: text.slice(text.indexOf('(') + 1, close),
  };
};

const readProc = (pid: number, file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid.toString()}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
};

const inode = (path: string): number | undefined => {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
};

import { readFileSync } from 'node:fs';

/** When a process counts as started: everything named here listens. With nothing named, as soon as it runs. */
export interface Readiness {
  /** Ports that something in its network namespace listens on, at any address. */
  readonly tcpPorts?: readonly number[];
  /** Paths of unix sockets, as the process sees them. */
  readonly unixSockets?: readonly string[];
  /** Milliseconds until its start counts as failed; 15,000 when left out. */
  readonly withinMs?: number;
}

/** The states of /proc/net/tcp and /proc/net/unix that mean listening. */
const TCP_LISTEN = '0A';
const UNIX_ACCEPTS = 0x10000;

/** Whether all that is named listens, as the kernel tells of the process's network namespace. Costs no connection. */
export const isListening = (pid: number, tcpPorts: readonly number[], unixSockets: readonly string[]): boolean => {
  const ports = tcpPorts.length === 0 ? new Set<number>() : listeningPorts(pid);
  const sockets = unixSockets.length === 0 ? new Set<string>() : listeningSockets(pid);
  return tcpPorts.every((port) => ports.has(port)) && unixSockets.every((path) => sockets.has(path));
};

const listeningPorts = (pid: number): ReadonlySet<number> =>
  new Set(
    ['tcp', 'tcp6'].flatMap((table) =>
      rows(pid, table).flatMap(([, local = '', , state]) =>
        state === TCP_LISTEN ? [Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16)] : [],
      ),
    ),
  );

const listeningSockets = (pid: number): ReadonlySet<string> =>
  new Set(
    rows(pid, 'unix').flatMap(([, , , flags = '0', , , , ...path]) =>
      (Number.parseInt(flags, 16) & UNIX_ACCEPTS) === 0 ? [] : [path.join(' ')],
    ),
  );

const rows = (pid: number, table: string): readonly (readonly string[])[] => {
  try {
    return readFileSync(`/proc/${pid.toString()}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/));
  } catch {
    // The process is gone, or this kernel has no IPv6.
    return [];
  }
};

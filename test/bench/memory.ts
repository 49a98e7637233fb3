import { readFile } from 'node:fs/promises';

/** Resident memory of a process in MB, by /proc/<pid>/status (proc(5), VmRSS). */
export const rssMb = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid.toString()}/status`, 'utf8');
  return Number(/VmRSS:\s+(?<kb>\d+) kB/.exec(status)?.groups?.['kb']) / 1024;
};

import { spawn } from 'node:child_process';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseGuestName, parseLabHostName, parseLabName } from './names.ts';
import { enterPlace, namespaceOf } from './place.ts';
import type { LabPlace } from './place.ts';
import { processArguments, processesInNamespaces, namespaceInode } from './proc.ts';
import type { ProcessInfo } from './proc.ts';
import { runProgram, signalNumber } from './run.ts';
import type { RunOptions, RunResult } from './run.ts';
import { existingLab } from './store.ts';
import { toolPath } from './tools.ts';

/** Somewhere in a lab: a host by name (or `control`, `underlay`, `gateway`, the lab's own namespaces), or a guest. */
export type LabTarget = { readonly lab: string; readonly host: string } | { readonly lab: string; readonly vm: string };

const parsePlace = (target: LabTarget): LabPlace => {
  if ('vm' in target) return { kind: 'vm', vm: parseGuestName('vm', target.vm) };
  if (target.host === 'control' || target.host === 'underlay' || target.host === 'gateway')
    return { kind: target.host };
  return { kind: 'host', host: parseLabHostName('host', target.host) };
};

/** The arguments that run what follows them there. Throws `not_found` or `precondition`. */
const enter = (target: LabTarget, cwd: string): readonly string[] => {
  const store = existingLab(parseLabName('lab', target.lab));
  const place = parsePlace(target);
  const entry = enterPlace(store, place, cwd);
  // Unlike nsenter, `ip netns exec` brings the namespace's own /sys; a host has that by its mount namespace.
  return place.kind === 'host' ? entry : [toolPath('ip'), 'netns', 'exec', namespaceOf(store, place)];
};

/**
 * Runs a command there with this process's terminal and environment, and resolves with its exit code (128 + n when signal n
 * ended it). ^C goes to the command alone. When the signal aborts the command gets SIGTERM. Rejects with `not_found`,
 * `precondition`.
 */
export const labExec = async (target: LabTarget, argv: readonly string[], signal: AbortSignal): Promise<number> => {
  signal.throwIfAborted();
  const [program = '', ...args] = [...enter(target, process.cwd()), ...argv];
  // The terminal sends these to the whole foreground group; what they mean is for the command to say.
  const leaveToCommand = (): void => undefined;
  const terminalSignals = ['SIGINT', 'SIGQUIT'] as const;
  for (const name of terminalSignals) process.on(name, leaveToCommand);
  const ended = Promise.withResolvers<number>();
  const child = spawn(program, args, { stdio: 'inherit' });
  const stop = (): void => {
    child.kill('SIGTERM');
  };
  signal.addEventListener('abort', stop, { once: true });
  child.once('error', (cause) => {
    ended.reject(new DomainError('precondition', 'COMMAND_NOT_STARTED', `${program} cannot be started`, { cause }));
  });
  child.once('exit', (code, ender) => {
    ended.resolve(code ?? 128 + signalNumber(ender));
  });
  try {
    return await ended.promise;
  } finally {
    signal.removeEventListener('abort', stop);
    for (const name of terminalSignals) process.removeListener(name, leaveToCommand);
  }
};

/** As `labExec`, but captures what the command writes and ends it at a deadline: see `runProgram`. */
export const labRun = async (
  target: LabTarget,
  argv: readonly string[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<RunResult> => {
  const cwd = options.cwd ?? process.cwd();
  return await runProgram([...enter(target, cwd), ...argv], { ...options, cwd }, signal);
};

/** A process in a lab's namespace, with its arguments. */
export interface LabProcess extends ProcessInfo {
  readonly argv: readonly string[];
}

/** What runs in a place, started by the lab or by its processes, e.g. the redis-server of a control plane. */
export const labProcesses = (target: LabTarget): readonly LabProcess[] => {
  const store = existingLab(parseLabName('lab', target.lab));
  const inode = namespaceInode(namespaceOf(store, parsePlace(target)));
  if (inode === undefined) return [];
  return processesInNamespaces(new Set([inode])).map((info) => ({ ...info, argv: processArguments(info.pid) }));
};

import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { attempt } from './attempt.ts';
import { processesInCgroup, removeCgroup } from './cgroups.ts';
import { endProcesses } from './end.ts';
import { DEFAULT_LAB, LAB_MARK, parseLabName } from './names.ts';
import type { LabName } from './names.ts';
import { namespacesOf } from './namespaces.ts';
import {
  allProcesses,
  bootId,
  hasMark,
  isAlive,
  namespaceInode,
  networkNamespaceOf,
  processInfo,
  utsNamespaceOf,
} from './proc.ts';
import type { ProcessInfo } from './proc.ts';
import { Tools } from './run.ts';
import { removeSharedFolders } from './shared-folders.ts';
import { defaultStateDir, LabStore, MARKER, openLab, REGISTRY } from './store.ts';

export interface LabDownOptions {
  /** Milliseconds between SIGTERM and SIGKILL; 3,000 when left out. */
  readonly graceMs?: number;
}

/** What `labDown` took away. */
export interface LabDownReport {
  readonly name: string;
  readonly processes: number;
  readonly namespaces: number;
}

const GRACE_MS = 3_000;
const ROUNDS = 20;

/**
 * Takes away all of a lab: its processes, namespaces (and so devices and mounts), its state directory. Works on a lab in any
 * state, also on one whose maker was killed at any instant, and touches no other. Idempotent: a lab that does not exist is
 * an empty report. Rejects with `deadline` when something cannot be ended; calling it again goes on.
 */
export const labDown = async (
  name: string = DEFAULT_LAB,
  options: LabDownOptions = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<LabDownReport> => await takeDown(parseLabName('name', name), options, signal);

/** `labDown` for a name that is parsed. */
export const takeDown = async (name: LabName, options: LabDownOptions, signal: AbortSignal): Promise<LabDownReport> => {
  const store = openLab(name) ?? new LabStore(name, defaultStateDir(name));
  // Without a mark: what this starts is not the lab's.
  const tools = new Tools();
  const ended = new Set<number>();
  const removed = new Set<string>();
  const hosts = new Set<number>();
  let quiet = 0;
  // A tool of a killed maker may still be at work, and make one more namespace: only what stays away is gone.
  for (let round = 0; quiet < 2; round += 1) {
    if (round === ROUNDS) {
      throw new DomainError('conflict', 'LAB_COMES_BACK', `something keeps making parts of lab ${name}`);
    }
    const find = (): readonly ProcessInfo[] => processesOf(store, hosts);
    const found = find();
    for (const { pid } of found) ended.add(pid);
    // The first process of a container is deaf to SIGTERM unless it says otherwise.
    await endProcesses(() => inContainers(name), 0, signal);
    await endProcesses(find, options.graceMs ?? GRACE_MS, signal);
    const namespaces = namespacesOf(name);
    for (const namespace of namespaces) removed.add(namespace);
    if (namespaces.length > 0) {
      await tools.ipBatchForce(
        undefined,
        namespaces.map((namespace) => `netns delete ${namespace}`),
        signal,
      );
    }
    if (!removeCgroup(name) || found.length > 0 || namespaces.length > 0) quiet = 0;
    else {
      quiet += 1;
      if (quiet < 2 && round > 0) await sleep(3, signal);
    }
  }
  removeState(store);
  removeSharedFolders();
  return { name, processes: ended.size, namespaces: removed.size };
};

/** The processes of a lab's containers, whose namespaces and environment are docker's doing. */
const inContainers = (lab: LabName): readonly ProcessInfo[] =>
  [...processesInCgroup(lab)].flatMap((pid) => processInfo(pid) ?? []);

/**
 * All processes of a lab but this one: those in its namespaces and containers, those with its mark, those its records name,
 * and those of its hosts, also in network namespaces that a host's agent made. `hosts` gathers UTS namespaces of hosts: they
 * are known as long as one process of theirs has been seen.
 */
const processesOf = (store: LabStore, hosts: Set<number>): readonly ProcessInfo[] => {
  const inodes = new Set(namespacesOf(store.name).flatMap((namespace) => namespaceInode(namespace) ?? []));
  const lab = attempt(() => store.lab(), undefined);
  const mark = lab === undefined ? undefined : `${LAB_MARK}=${lab.id}`;
  // Pids from before a reboot are other people's now.
  const records = lab?.bootId === bootId() ? attempt(() => store.processes(), []) : [];
  const recorded = new Set(
    records.flatMap(({ identity }) => (identity !== undefined && isAlive(identity) ? [identity.pid] : [])),
  );
  const contained = processesInCgroup(store.name);
  const all = allProcesses().filter(({ pid }) => pid !== process.pid);
  const own = utsNamespaceOf(process.pid);
  const known = all.filter(
    ({ pid }) =>
      recorded.has(pid) ||
      contained.has(pid) ||
      inodes.has(networkNamespaceOf(pid) ?? -1) ||
      (mark !== undefined && hasMark(pid, mark)),
  );
  for (const { pid } of known) {
    const uts = utsNamespaceOf(pid);
    if (uts !== undefined && uts !== own) hosts.add(uts);
  }
  const pids = new Set(known.map(({ pid }) => pid));
  return all.filter(({ pid }) => pids.has(pid) || hosts.has(utsNamespaceOf(pid) ?? -1));
};

/** The state directory goes if it bears the lab's marker or is empty; the name last of all. */
const removeState = (store: LabStore): void => {
  const names = attempt(() => readdirSync(store.stateDir), []);
  const marker = attempt(() => readFileSync(join(store.stateDir, MARKER), 'utf8').trim(), undefined);
  if (marker === store.name) {
    // The marker last: a crash in between leaves what the next call recognises.
    for (const name of names) {
      if (name !== MARKER) rmSync(join(store.stateDir, name), { recursive: true, force: true });
    }
    rmSync(join(store.stateDir, MARKER), { force: true });
  }
  attempt(() => {
    rmdirSync(store.stateDir);
  }, undefined);
  rmSync(join(REGISTRY, store.name), { force: true });
};

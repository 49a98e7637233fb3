import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import { arrived, launch, until } from './daemon.ts';
import { endProcesses } from './end.ts';
import { LAB_MARK, parseLabHostName, parseLabName, parseProcessName } from './names.ts';
import type { LabName, ProcessName } from './names.ts';
import { enterPlace, HOLDER } from './place.ts';
import type { LabPlace } from './place.ts';
import { allProcesses, hasMark, isAlive, signalProcess } from './proc.ts';
import type { ProcessIdentity } from './proc.ts';
import { isListening } from './ready.ts';
import type { Readiness } from './ready.ts';
import type { Place, ProcessRecord } from './record.ts';
import { existingLab } from './store.ts';
import type { LabStore } from './store.ts';

/** A process to be started in a lab. */
export interface ProcessSpec {
  /** Unique in its place, e.g. `agent`, `up`, `topology-2`. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** `/` when left out. */
  readonly cwd?: string;
  readonly ready?: Readiness;
}

/** A process of a lab: one of the control plane, or with `host` one of that host. */
export interface ProcessRef {
  readonly lab: string;
  readonly host?: string;
  readonly process: string;
}

const READY_MS = 15_000;
const STOP_MS = 5_000;

/** The record of a process that is about to be started. Throws `invalid` for a bad name or empty argv. */
export const plannedProcess = (store: LabStore, place: Place, spec: ProcessSpec): ProcessRecord => {
  const name = parseOwnProcess(spec.name);
  if (spec.argv.length === 0) throw invalidField('argv', '', 'is empty');
  return {
    place,
    name,
    desired: 'running',
    argv: spec.argv,
    env: spec.env,
    cwd: spec.cwd ?? '/',
    ready: {
      tcpPorts: spec.ready?.tcpPorts ?? [],
      unixSockets: spec.ready?.unixSockets ?? [],
      withinMs: spec.ready?.withinMs ?? READY_MS,
    },
    log: store.logPath(place, name),
  };
};

/** Starts what a record says, through `enter` (which ends in `--`), and resolves once it is ready. */
export const startRecorded = async (
  store: LabStore,
  labId: string,
  record: ProcessRecord,
  enter: readonly string[],
  signal: AbortSignal,
): Promise<ProcessIdentity> => {
  store.writeProcess({ ...record, desired: 'running', identity: undefined });
  const what = {
    enter,
    argv: record.argv,
    env: { ...record.env, [LAB_MARK]: labId },
    cwd: record.cwd,
    log: record.log,
  };
  const identity = launch(what);
  store.writeProcess({ ...record, desired: 'running', identity });
  await arrived(identity, what, signal);
  const { tcpPorts, unixSockets, withinMs } = record.ready;
  await until(
    identity,
    `${record.place}/${record.name}`,
    record.log,
    withinMs,
    () => isListening(identity.pid, tcpPorts, unixSockets),
    signal,
  );
  return identity;
};

/** Starts a process that was stopped or has died, as it was first started, and waits until it is ready. Throws `precondition` when it runs. */
export const processStart = async (ref: ProcessRef, signal: AbortSignal): Promise<ProcessIdentity> => {
  const { store, record } = find(ref);
  const lab = store.upLab();
  if (record.identity !== undefined && isAlive(record.identity)) {
    throw new DomainError('precondition', 'PROCESS_RUNS', `${record.place}/${record.name} runs already`);
  }
  return await startRecorded(store, lab.id, record, enterRecorded(store, record), signal);
};

/**
 * Ends a process and what it left in its session: SIGTERM, after 5 s SIGKILL. Nothing happens when it does not run. The
 * recorded wish changes first, so that `labStatus` never calls it dead.
 */
export const processStop = async (ref: ProcessRef, signal: AbortSignal): Promise<void> => {
  const { store, record } = find(ref);
  store.writeProcess({ ...record, desired: 'stopped' });
  const { identity } = record;
  if (identity === undefined) return;
  await endProcesses(() => (isAlive(identity) ? [identity] : []), STOP_MS, signal);
  const labId = store.lab()?.id ?? '';
  await endProcesses(() => sessionOf(identity, labId), STOP_MS, signal);
};

/** `processStop`, then `processStart`. */
const processRestart = async (ref: ProcessRef, signal: AbortSignal): Promise<ProcessIdentity> => {
  await processStop(ref, signal);
  return await processStart(ref, signal);
};

/**
 * SIGKILL to the process alone, as a crash would: its children live on. Resolves once it is gone. Throws `precondition` when it
 * did not run. Its wish stays `running`: it counts as dead until `processStart`.
 */
export const processKill9 = async (ref: ProcessRef, signal: AbortSignal): Promise<void> => {
  const { record } = find(ref);
  const identity = running(record);
  signalProcess(identity, 'SIGKILL');
  await endProcesses(() => (isAlive(identity) ? [identity] : []), 0, signal);
};

/** SIGSTOP: it stays as it is, and answers nothing. Throws `precondition` when it does not run. */
export const processPause = (ref: ProcessRef): void => {
  signalProcess(running(find(ref).record), 'SIGSTOP');
};

/** SIGCONT: it goes on. Throws `precondition` when it does not run. */
export const processResume = (ref: ProcessRef): void => {
  signalProcess(running(find(ref).record), 'SIGCONT');
};

/** Starts one more process in a lab that is up, as `labUp` starts its own. Throws `exists` when the place has one of that name running. */
export const processAdd = async (
  where: { readonly lab: string; readonly host?: string },
  spec: ProcessSpec,
  signal: AbortSignal,
): Promise<ProcessIdentity> => {
  const store = existingLab(parseLabName('lab', where.lab));
  const lab = store.upLab();
  const record = plannedProcess(store, placeOf(where.host), spec);
  const older = store.processes().find(({ place, name }) => place === record.place && name === record.name);
  if (older?.identity !== undefined && isAlive(older.identity)) {
    throw new DomainError('exists', 'PROCESS_EXISTS', `${record.place} has a process ${record.name}`);
  }
  return await startRecorded(store, lab.id, record, enterRecorded(store, record), signal);
};

/** The agent of a host: the process named `agent`. */
export interface AgentRef {
  readonly lab: string;
  readonly host: string;
}

const agentOf = (ref: AgentRef): ProcessRef => ({ ...ref, process: 'agent' });

/** `processStart` of a host's agent. */
export const agentStart = async (ref: AgentRef, signal: AbortSignal): Promise<ProcessIdentity> =>
  await processStart(agentOf(ref), signal);

/** `processStop` of a host's agent. */
export const agentStop = async (ref: AgentRef, signal: AbortSignal): Promise<void> => {
  await processStop(agentOf(ref), signal);
};

/** `processRestart` of a host's agent. */
export const agentRestart = async (ref: AgentRef, signal: AbortSignal): Promise<ProcessIdentity> =>
  await processRestart(agentOf(ref), signal);

/** `processKill9` of a host's agent. */
export const agentKill9 = async (ref: AgentRef, signal: AbortSignal): Promise<void> => {
  await processKill9(agentOf(ref), signal);
};

const parseOwnProcess = (text: string): ProcessName => {
  const name = parseProcessName('process', text);
  if (name === HOLDER) throw invalidField('process', text, 'is the name of the process that keeps a host');
  return name;
};

const placeOf = (host: string | undefined): Place => (host === undefined ? 'control' : parseLabHostName('host', host));

/** Where a process of a record runs. */
export const placeOfRecord = (place: Place): LabPlace => {
  if (place === 'control') return { kind: 'control' };
  return place === 'gateway' ? { kind: 'gateway' } : { kind: 'host', host: place };
};

const find = (ref: ProcessRef): { readonly store: LabStore; readonly record: ProcessRecord } => {
  const lab: LabName = parseLabName('lab', ref.lab);
  const store = existingLab(lab);
  return { store, record: store.process(placeOf(ref.host), parseOwnProcess(ref.process)) };
};

const enterRecorded = (store: LabStore, { place, cwd }: ProcessRecord): readonly string[] =>
  enterPlace(store, placeOfRecord(place), cwd);

const running = (record: ProcessRecord): ProcessIdentity => {
  if (record.identity === undefined || !isAlive(record.identity)) {
    throw new DomainError('precondition', 'PROCESS_NOT_RUNNING', `${record.place}/${record.name} does not run`);
  }
  return record.identity;
};

// A daemon leads a session of its own. The mark tells its members from those of a stranger that was given the same number.
const sessionOf = (leader: ProcessIdentity, labId: string): readonly ProcessIdentity[] =>
  allProcesses().filter(
    (info) =>
      info.session === leader.pid && info.startTime >= leader.startTime && hasMark(info.pid, `${LAB_MARK}=${labId}`),
  );

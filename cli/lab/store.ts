import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { DomainError, notFound } from '#platform/errors/domain-error.ts';
import { attempt } from './attempt.ts';
import { parseLabName } from './names.ts';
import type { GuestName, LabHostName, LabName, ProcessName } from './names.ts';
import { guestRecord, labRecord, processRecord } from './record.ts';
import type { GuestRecord, LabHost, LabRecord, Place, ProcessRecord } from './record.ts';

/** A link per lab, by name, to its state directory: made first and removed last, so that whatever exists is found. */
export const REGISTRY = '/run/weft-lab';

/** Stands in every state directory; nothing without it is ever removed. */
export const MARKER = '.weft-lab';

/** Where labs keep their state unless told otherwise, each in a folder of its name. */
export const DEFAULT_STATE_ROOT = '/var/lib/weft-lab';

/** The state directory of a lab for which none is given. */
export const defaultStateDir = (lab: LabName): string => join(DEFAULT_STATE_ROOT, lab);

/** The labs that exist, also half made ones, by name. */
export const registeredLabs = (): readonly LabStore[] => {
  try {
    return readdirSync(REGISTRY)
      .sort()
      .flatMap((name) => attempt(() => openLab(parseLabName('lab', name)), undefined) ?? []);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
};

/** The lab of that name, or undefined. */
export const openLab = (lab: LabName): LabStore | undefined => {
  try {
    return new LabStore(lab, readlinkSync(join(REGISTRY, lab)));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/** The lab of that name. Throws `not_found`. */
export const existingLab = (lab: LabName): LabStore => {
  const store = openLab(lab);
  if (store === undefined) throw notFound('lab', lab);
  return store;
};

/** What one lab remembers: a small file per thing, each replaced as a whole, so that a crash leaves the old or the new. */
export class LabStore {
  readonly name: LabName;
  readonly stateDir: string;

  constructor(name: LabName, stateDir: string) {
    this.name = name;
    this.stateDir = stateDir;
  }

  /** The lab's record; undefined before it was written. Throws `internal` when it cannot be read. */
  lab(): LabRecord | undefined {
    return read(this.#path('lab.json'), labRecord);
  }

  /** The record of a lab that is up. Throws `precondition` for one that is half made. */
  upLab(): LabRecord {
    const lab = this.lab();
    if (lab?.phase !== 'up') {
      throw new DomainError(
        'precondition',
        'LAB_NOT_UP',
        `lab ${this.name} is not up; if its start was cut short, "weft lab down ${this.name}" takes away what is there`,
      );
    }
    return lab;
  }

  /** A host of the lab, up or about to be. Throws `not_found`. */
  host(name: LabHostName): LabHost {
    const host = this.lab()?.hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw notFound('host', name);
    return host;
  }

  writeLab(record: LabRecord): void {
    mkdirSync(this.#path('process'), { recursive: true });
    mkdirSync(this.#path('guest'), { recursive: true });
    replace(this.#path('lab.json'), record);
  }

  processes(): readonly ProcessRecord[] {
    return readAll(this.#path('process'), processRecord);
  }

  /** Throws `not_found`. */
  process(place: Place, name: ProcessName): ProcessRecord {
    const record = read(this.#processPath(place, name), processRecord);
    if (record === undefined) throw notFound('process', `${place}/${name}`);
    return record;
  }

  writeProcess(record: ProcessRecord): void {
    replace(this.#processPath(record.place, record.name), record);
  }

  guests(): readonly GuestRecord[] {
    return readAll(this.#path('guest'), guestRecord);
  }

  /** Throws `not_found`. */
  guest(name: GuestName): GuestRecord {
    const record = read(this.#path('guest', `${name}.json`), guestRecord);
    if (record === undefined) throw notFound('guest', name);
    return record;
  }

  /** Writes a guest that does not exist yet. Throws `exists`, also when another process was faster. */
  claimGuest(record: GuestRecord): void {
    const path = this.#path('guest', `${record.name}.json`);
    const draft = temporary(path);
    writeFileSync(draft, JSON.stringify(record), { mode: 0o600 });
    try {
      linkSync(draft, path);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      throw new DomainError('exists', 'GUEST_EXISTS', `guest ${record.name} exists in lab ${this.name}`);
    } finally {
      rmSync(draft);
    }
  }

  writeGuest(record: GuestRecord): void {
    replace(this.#path('guest', `${record.name}.json`), record);
  }

  /** Where a guest that asks for its address has its name servers. */
  resolvPath(name: GuestName): string {
    return this.#path('guest', `${name}.resolv.conf`);
  }

  /** Forgets a guest; nothing happens when it is not known. */
  forgetGuest(name: GuestName): void {
    rmSync(this.resolvPath(name), { force: true });
    rmSync(this.#path('guest', `${name}.json`), { force: true });
  }

  /** Where what a place writes as a log goes. */
  logPath(place: Place, name: ProcessName): string {
    return this.#path('log', `${place}-${name}.log`);
  }

  /** What the host has as /var/lib/weft; the control plane's own folder for `control`. */
  dataDir(place: Place): string {
    return this.#path('data', place);
  }

  /** A folder of a host's own for what keeps its files in one place on every machine, e.g. `openvswitch`. */
  hostDir(host: LabHostName, what: string): string {
    return this.#path('host', host, what);
  }

  #processPath(place: Place, name: ProcessName): string {
    return this.#path('process', `${place}~${name}.json`);
  }

  #path(...parts: readonly string[]): string {
    return join(this.stateDir, ...parts);
  }
}

/** Whether a thrown thing is the system error of that name. */
export const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

let drafts = 0;
const temporary = (path: string): string => {
  drafts += 1;
  return `${path}.${process.pid.toString()}.${drafts.toString()}.draft`;
};

const replace = (path: string, value: unknown): void => {
  const draft = temporary(path);
  writeFileSync(draft, JSON.stringify(value), { mode: 0o600 });
  renameSync(draft, path);
};

const read = <Schema extends z.ZodType>(path: string, schema: Schema): z.output<Schema> | undefined => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new DomainError('internal', 'LAB_RECORD_UNREADABLE', `${path} is not a record of this version of weft`, {
      cause: error,
    });
  }
};

const readAll = <Schema extends z.ZodType>(folder: string, schema: Schema): readonly z.output<Schema>[] => {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
  // One that went away since is not missing.
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => read(join(folder, name), schema) ?? []);
};

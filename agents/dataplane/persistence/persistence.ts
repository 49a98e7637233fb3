import { KeyedQueue } from '#platform/async/keyed-queue.ts';
import { DomainError, notFound, toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import type { StateFiles } from '../model/state-files.ts';
import type { Outcome } from '../model/operation.ts';
import type { OverlayName } from '../overlay/model/names.ts';
import type { OverlayView } from '../overlay/overlays.ts';
import { overlayFile } from '../overlay/store.ts';
import type { Switch } from '../overlay/switch.ts';
import type { EventLog } from '../reconcile/event-log.ts';
import type { CommandRunner } from '../sys/command.ts';
import type { ConfigFiles } from '../sys/config-files.ts';
import { desiredOf, NO_DEVICES } from './desired.ts';
import type { Desired } from './desired.ts';
import { fileDrift } from './compare.ts';
import { applyFiles } from './host-files.ts';
import { filesOfOwner, readerOf, refuseConflicts, takeInventory } from './inventory.ts';
import type { DeviceSetText } from './model/parse.ts';
import { observeRunning } from './observe.ts';
import { findReaders, hasNetworkManager, readerNotes, tellReaders } from './readers.ts';
import { runningDrift } from './running.ts';
import type { Difference } from './running.ts';
import { planAfter, planBefore, planFiles } from './steps.ts';
import type { Changed } from './steps.ts';
import type { PersistenceRecord, PersistenceStore } from './store.ts';
import type { ConfigText, PersistenceFormat } from './writers/writer.ts';

/** The overlays of this host, as persistence follows them. */
export interface OverlaySource {
  list(): readonly OverlayView[];
  /** Told whenever an overlay was applied, deleted, or has found out something about its devices. */
  listen(heard: () => void): Disposable;
}

export interface PersistenceTools {
  readonly overlays: OverlaySource;
  readonly ovs: Pick<Switch, 'read'>;
  readonly commands: CommandRunner;
  readonly files: ConfigFiles;
  readonly store: PersistenceStore;
  /** Where overlays are kept: tells one that is gone from one that cannot be read. */
  readonly state: Pick<StateFiles, 'list'>;
  readonly events: EventLog;
  readonly log: Log;
}

/** What is asked for. */
export interface PersistenceWish {
  /** Undefined: all overlays of this host. */
  readonly name?: OverlayName;
  readonly format: PersistenceFormat;
  /** Absent: those asked for before under this name. */
  readonly devices?: DeviceSetText;
}

/** Persistent configuration as it was asked for, and as it is. */
export interface PersistenceView {
  readonly record: PersistenceRecord;
  readonly files: readonly ConfigText[];
  /** What a person would type instead. */
  readonly commands: readonly string[];
  readonly notes: readonly string[];
  /** In what files and running devices are not as they should be. */
  readonly differences: readonly Difference[];
}

/** What an apply or a delete did, or would do. */
export interface PersistenceResult {
  readonly views: readonly PersistenceView[];
  readonly outcomes: readonly Outcome[];
}

/**
 * The persistent configuration of this host: writes it, remembers what was asked for, and keeps it true while overlays
 * change. Files of others are never touched; nothing is written when one of them is about a device of ours.
 */
export class Persistence implements Component {
  readonly name = 'persistence';
  readonly #tools: PersistenceTools;
  readonly #held = new Map<OverlayName, PersistenceRecord>();
  /** What was last written for an overlay, as text: the same again is not looked at. */
  readonly #written = new Map<OverlayName, string>();
  readonly #turn = new KeyedQueue<'host'>();
  readonly #halt = new AbortController();
  #listening: Disposable | undefined;

  constructor(tools: PersistenceTools) {
    this.#tools = tools;
  }

  async start(): Promise<void> {
    for (const record of await this.#tools.store.load()) this.#held.set(record.name, record);
    this.#listening = this.#tools.overlays.listen(() => {
      this.#follow();
    });
    this.#follow();
  }

  async stop(): Promise<void> {
    this.#listening?.[Symbol.dispose]();
    this.#halt.abort(new DomainError('unavailable', 'STOPPING', 'the agent is stopping'));
    await this.#turn.idle();
  }

  /** Writes what is asked for. What is wrong with it, or in its way, is thrown before anything is done. */
  async apply(wish: PersistenceWish, validateOnly: boolean, signal: AbortSignal): Promise<PersistenceResult> {
    return await this.#inTurn(signal, async () => {
      const records = this.#recordsOf(wish);
      const inventory = await takeInventory(this.#tools.files);
      const all = records.map((record) => this.#desired(record));
      for (const each of all) await this.#check(each, inventory);
      const views: PersistenceView[] = [];
      const outcomes: Outcome[] = [];
      for (const each of all) {
        if (!validateOnly) await this.#tools.store.save(each.record);
        if (!validateOnly) this.#held.set(each.record.name, each.record);
        outcomes.push(...(await this.#realise(each, validateOnly, signal)));
        views.push(await this.#view(each, signal));
      }
      return { views, outcomes };
    });
  }

  /** All that was asked for, by name, as it is now. */
  async list(signal: AbortSignal): Promise<readonly PersistenceView[]> {
    return await this.#inTurn(signal, async () => {
      const views: PersistenceView[] = [];
      for (const record of [...this.#held.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
        views.push(await this.#view(this.#desired(record), signal));
      }
      return views;
    });
  }

  /** Throws `not_found`. */
  async get(name: OverlayName, signal: AbortSignal): Promise<PersistenceView> {
    return await this.#inTurn(signal, async () => {
      const record = this.#held.get(name);
      if (record === undefined) throw notFound('persistence', name);
      return await this.#view(this.#desired(record), signal);
    });
  }

  /** Takes the files of an owner away, and what only they kept. Throws `not_found` where there are none. */
  async delete(name: OverlayName, validateOnly: boolean, signal: AbortSignal): Promise<readonly Outcome[]> {
    return await this.#inTurn(signal, async () => {
      const record = this.#held.get(name);
      const inventory = await takeInventory(this.#tools.files);
      if (record === undefined && filesOfOwner(inventory, name).length === 0) throw notFound('persistence', name);
      const gone = record ?? {
        name,
        format: 'networkmanager' as const,
        isOverlay: true,
        devices: NO_DEVICES,
        deleting: true,
      };
      return await this.#remove(gone, validateOnly, signal);
    });
  }

  async #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.#halt.signal.throwIfAborted();
    return await this.#turn.run('host', work, signal);
  }

  #overlay(name: string): OverlayView | undefined {
    return this.#tools.overlays.list().find(({ spec }) => spec.name === name);
  }

  #recordsOf({ name, format, devices }: PersistenceWish): readonly PersistenceRecord[] {
    const names = name === undefined ? this.#tools.overlays.list().map(({ spec }) => spec.name) : [name];
    return names.map((each) => {
      const before = this.#held.get(each);
      const isOverlay = before?.isOverlay ?? this.#overlay(each) !== undefined;
      if (!isOverlay && devices === undefined && before === undefined) throw notFound('overlay', each);
      return { name: each, format, isOverlay, devices: devices ?? before?.devices ?? NO_DEVICES, deleting: false };
    });
  }

  #desired(record: PersistenceRecord): Desired {
    return desiredOf(record, record.isOverlay ? this.#overlay(record.name) : undefined);
  }

  async #wanted({ rendered, links, unmanaged, record }: Desired): Promise<readonly ConfigText[]> {
    const isManagedElsewhere = record.format !== 'networkmanager' && (await hasNetworkManager(this.#tools.files));
    return [...rendered.files, ...links, ...(isManagedElsewhere ? unmanaged : [])];
  }

  async #check(desired: Desired, inventory: Awaited<ReturnType<typeof takeInventory>>): Promise<void> {
    const [unsupported] = desired.unsupported;
    if (unsupported !== undefined) {
      throw new DomainError(
        'precondition',
        'PERSISTENCE_UNSUPPORTED',
        `${unsupported.device} cannot be kept by ${desired.record.format}: ${unsupported.reason}; choose another format`,
        { details: { device: unsupported.device, format: desired.record.format } },
      );
    }
    refuseConflicts(desired.persistent, await this.#wanted(desired), inventory);
  }

  /** Brings files to what they are to be, and has them read. With `validateOnly` all is but planned. */
  async #realise(desired: Desired, validateOnly: boolean, signal: AbortSignal): Promise<readonly Outcome[]> {
    const { files, commands } = this.#tools;
    const inventory = await takeInventory(files);
    const wanted = await this.#wanted(desired);
    const steps = planFiles(desired.record.name, wanted, inventory);
    const readers = await findReaders(commands, files, signal);
    const drifted = new Set((await this.#runningDrift(desired, signal)).map(({ subject }) => subject));
    const changed: Changed = { ...desired, format: desired.record.format, files: steps, drifted, inventory };
    const before = planBefore(changed, readers);
    const after = planAfter(changed, readers);
    if (validateOnly) {
      return [...before, ...steps.map(({ operation }) => operation), ...after].map((operation) => ({ operation }));
    }
    // From here on it is gone through with, also when the caller goes.
    const halt = this.#halt.signal;
    const first = await tellReaders(commands, before, halt);
    const written = await applyFiles(files, steps, inventory);
    this.#written.set(desired.record.name, desired.fingerprint);
    return [...first, ...written, ...(await tellReaders(commands, after, halt))];
  }

  async #remove(record: PersistenceRecord, validateOnly: boolean, signal: AbortSignal): Promise<readonly Outcome[]> {
    const { files, commands, store } = this.#tools;
    const inventory = await takeInventory(files);
    const steps = planFiles(record.name, [], inventory);
    const persistent = { owner: record.name, isOverlay: record.isOverlay, devices: [] };
    const changed: Changed = { persistent, format: record.format, files: steps, drifted: new Set(), inventory };
    const readers = await findReaders(commands, files, signal);
    const [before, after] = [planBefore(changed, readers), planAfter(changed, readers)];
    if (validateOnly) {
      return [...before, ...steps.map(({ operation }) => operation), ...after].map((operation) => ({ operation }));
    }
    await store.save({ ...record, deleting: true });
    const halt = this.#halt.signal;
    const first = await tellReaders(commands, before, halt);
    const removed = await applyFiles(files, steps, inventory);
    const last = await tellReaders(commands, after, halt);
    await store.remove(record.name);
    this.#held.delete(record.name);
    this.#written.delete(record.name);
    return [...first, ...removed, ...last];
  }

  async #runningDrift({ persistent }: Desired, signal: AbortSignal): Promise<readonly Difference[]> {
    const { commands, ovs } = this.#tools;
    try {
      return runningDrift(persistent, await observeRunning(persistent, commands, ovs, signal));
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'unavailable') throw error;
      return [{ subject: 'Open vSwitch', difference: `cannot be compared: ${error.message}` }];
    }
  }

  async #view(desired: Desired, signal: AbortSignal): Promise<PersistenceView> {
    const { files, commands } = this.#tools;
    const { record, rendered } = desired;
    const inventory = await takeInventory(files);
    const wanted = await this.#wanted(desired);
    const paths = new Set(wanted.map(({ path }) => path));
    const left = filesOfOwner(inventory, record.name).filter(({ path }) => !paths.has(path));
    const readers = await findReaders(commands, files, signal);
    return {
      record,
      files: wanted,
      commands: rendered.commands.map((argv) => argv.map(quoted).join(' ')),
      notes: [
        ...rendered.leftOut.map(({ device, reason }) => `${device}: ${reason}`),
        ...(await readerNotes(record.format, readers, files)),
      ],
      differences: [
        ...wanted.flatMap((file) =>
          fileDrift(file, inventory.get(file.path), readerOf(file.path)).map((difference) => ({
            subject: file.path,
            difference,
          })),
        ),
        ...left.map(({ path }) => ({ subject: path, difference: 'is of no use any more' })),
        ...(await this.#runningDrift(desired, signal)),
      ],
    };
  }

  /** Has the files say what overlays are by now, in the background. */
  #follow(): void {
    if (this.#halt.signal.aborted || this.#held.size === 0) return;
    void this.#turn.run('host', async () => {
      for (const record of [...this.#held.values()]) {
        if (this.#halt.signal.aborted) return;
        try {
          await this.#followOne(record);
        } catch (thrown) {
          if (this.#halt.signal.aborted) return;
          this.#refused(record, toError(thrown));
        }
      }
    });
  }

  async #followOne(record: PersistenceRecord): Promise<void> {
    const signal = this.#halt.signal;
    const overlay = this.#overlay(record.name);
    // An overlay's file that cannot be read is no deleted overlay.
    const isGone =
      record.isOverlay && overlay === undefined && !(await this.#tools.state.list()).includes(overlayFile(record.name));
    if (record.deleting || isGone) {
      await this.#remove(record, false, signal);
      return;
    }
    // What its devices are like is known once it was looked at.
    if (record.isOverlay && overlay?.status.lookTime === undefined) return;
    const desired = this.#desired(record);
    if (this.#written.get(record.name) === desired.fingerprint) return;
    await this.#check(desired, await takeInventory(this.#tools.files));
    const outcomes = await this.#realise(desired, false, signal);
    for (const { operation, error } of outcomes) {
      if (error !== undefined) this.#refused(record, new Error(`${operation.argv.join(' ')}: ${error}`));
    }
  }

  #refused({ name }: PersistenceRecord, error: Error): void {
    this.#tools.log.warn({ overlay: name, error: error.message }, 'persistent configuration not as it should be');
    this.#tools.events.emit({ kind: 'refused', overlay: name, message: `persistence of ${name}: ${error.message}` });
  }
}

/** Words with blanks bear quotes, so that a line can be typed as it stands. */
const quoted = (word: string): string => (/\s/.test(word) ? `'${word}'` : word);

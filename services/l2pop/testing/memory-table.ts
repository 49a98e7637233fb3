import type { HostId } from '#platform/net/names.ts';
import type { ForwardingEntry, Vtep } from '../domain/entry.ts';
import { sameVtep } from '../domain/placement.ts';
import {
  type Applied,
  GONE,
  type OperationBatch,
  type PlaceVersion,
  type TableChange,
  type TableOperation,
  type TableRevision,
} from '../domain/table.ts';

interface Known extends PlaceVersion {
  readonly made: number;
}

interface Placed extends Known {
  readonly entry: ForwardingEntry;
}

/** One network's table as its rules say, in the plainest way: what the scripts are compared with. */
export class MemoryTable {
  revision = 0;
  membersVersion = 0;
  /** The network was deleted in this revision. */
  closedAt: number | undefined;
  readonly history: TableRevision[] = [];
  readonly #entries = new Map<string, Placed>();
  readonly #tombs = new Map<string, Known>();
  readonly #hosts = new Map<string, { readonly vtep: Vtep; readonly revision: number }>();
  #changes: TableChange[] = [];
  #repeats = new Set<number>();

  get entries(): readonly ForwardingEntry[] {
    return [...this.#entries.values()].map(({ entry }) => entry);
  }

  get members(): readonly HostId[] {
    return [...new Set(this.entries.map((entry) => entry.vtep.hostId))].sort();
  }

  portRevisions(): ReadonlyMap<string, number> {
    return new Map([...this.#entries].map(([portId, { port }]) => [portId, port]));
  }

  apply({ operations, cause, time }: OperationBatch, knownMembers: number): Applied {
    const before = this.members;
    this.#changes = [];
    this.#repeats = new Set();
    for (const operation of operations) this.#operate(operation);
    const changes = this.#changes;
    const made = changes.length === 0 ? undefined : { revision: this.revision + 1, cause, time, changes };
    if (made !== undefined) {
      this.revision = made.revision;
      this.history.push(made);
    }
    const { members } = this;
    if (members.join() !== before.join()) this.membersVersion = this.revision;
    for (const id of this.#hosts.keys()) if (!members.some((member) => member === id)) this.#hosts.delete(id);
    return {
      revision: this.revision,
      ...(made !== undefined && { made }),
      repeated: this.history.filter(({ revision }) => this.#repeats.has(revision)),
      membersVersion: this.membersVersion,
      ...(knownMembers !== this.membersVersion && { members }),
    };
  }

  #operate(operation: TableOperation): void {
    switch (operation.kind) {
      case 'set':
        if (this.closedAt === undefined) this.#set(operation);
        return;
      case 'remove': {
        const { portId, version, redelivered } = operation;
        const placed = this.#entries.get(portId);
        if (this.#isStale(placed ?? this.#tombs.get(portId), version, redelivered)) return;
        if (placed === undefined) this.#tombs.set(portId, { ...version, made: 0 });
        else this.#remove(placed, version);
        return;
      }
      case 'expel': {
        const placed = this.#entries.get(operation.portId);
        if (placed === undefined || placed.port > operation.portRevision) return;
        this.#remove(placed, { port: placed.port, host: GONE });
        return;
      }
    }
  }

  #set({ entry, version, redelivered }: Extract<TableOperation, { kind: 'set' }>): void {
    const { portId } = entry;
    const placed = this.#entries.get(portId);
    if (this.#isStale(placed ?? this.#tombs.get(portId), version, redelivered)) return;
    const vtep = this.#vtepOf(entry.vtep, version.host);
    const former = this.#entries.get(portId);
    const right = { ...entry, vtep };
    if (former !== undefined && sameEntry(former.entry, right)) {
      this.#entries.set(portId, { ...former, ...version });
      return;
    }
    this.#tombs.delete(portId);
    this.#entries.set(portId, { ...version, made: this.revision + 1, entry: right });
    this.#changes.push({ kind: 'set', entry: right, ...(former !== undefined && { previous: former.entry }) });
  }

  /** The newest VTEP known of the host; when that is news, all its entries get it. */
  #vtepOf(given: Vtep, hostRevision: number): Vtep {
    const known = this.#hosts.get(given.hostId);
    const empty = this.#at(given.hostId).length === 0;
    if (known !== undefined && hostRevision <= known.revision && !empty) return known.vtep;
    this.#hosts.set(given.hostId, { vtep: given, revision: hostRevision });
    if (known === undefined || sameVtep(known.vtep, given)) return given;
    for (const placed of this.#at(given.hostId)) {
      const entry = { ...placed.entry, vtep: given };
      this.#entries.set(entry.portId, { ...placed, entry, made: this.revision + 1 });
      this.#changes.push({ kind: 'set', entry, previous: placed.entry });
    }
    return given;
  }

  #remove(placed: Placed, version: PlaceVersion): void {
    const { portId } = placed.entry;
    this.#entries.delete(portId);
    this.#tombs.set(portId, { ...version, made: this.revision + 1 });
    this.#changes.push({ kind: 'removed', entry: placed.entry });
  }

  #isStale(known: Known | undefined, { port, host }: PlaceVersion, redelivered: boolean): boolean {
    if (known === undefined || port > known.port || (port === known.port && host > known.host)) return false;
    if (redelivered && port === known.port && known.made <= this.revision) this.#repeats.add(known.made);
    return true;
  }

  #at(hostId: HostId): readonly Placed[] {
    return [...this.#entries.values()]
      .filter(({ entry }) => entry.vtep.hostId === hostId)
      .sort((a, b) => (a.entry.portId < b.entry.portId ? -1 : 1));
  }
}

const sameEntry = (a: ForwardingEntry, b: ForwardingEntry): boolean =>
  a.mac === b.mac && a.generation === b.generation && a.ips.join() === b.ips.join() && sameVtep(a.vtep, b.vtep);

import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { HostIdentity } from '../model/intent.ts';
import type { StateFiles } from '../model/state-files.ts';
import { parseStateLine, stateLine, tableHeader, type StateHeader } from './desired-codec.ts';
import { NetworkTable } from './network-table.ts';

/** Changes of this long go into the journal together. */
const GATHER_MS = 300;
/** A journal longer than this, and than the table, is written anew. */
const COMPACT_AFTER = 4_096;

interface Journal {
  lines: number;
  pending: string;
  writing: Promise<void> | undefined;
  removed: boolean;
}

/**
 * Keeps the desired state of each network in a file: a header, then a line per change; the last line about a port holds.
 * Writes follow the kernel, they do not hold it up: what a crash loses is pulled from l2pop again. A line cut off by a
 * crash is ignored.
 */
export class DesiredStore {
  readonly #files: StateFiles;
  readonly #host: HostIdentity;
  readonly #log: Log;
  readonly #journals = new Map<string, Journal>();
  #hurry = new AbortController();

  constructor(files: StateFiles, host: HostIdentity, log: Log) {
    this.#files = files;
    this.#host = host;
    this.#log = log;
  }

  /** The tables as they were last written; a file that cannot be read is reported and left out, never guessed. */
  async load(): Promise<readonly NetworkTable[]> {
    const tables: NetworkTable[] = [];
    for (const name of await this.#files.list()) {
      const networkId = /^(?<id>[0-9a-f-]{36})\.network$/.exec(name)?.groups?.['id'];
      if (networkId === undefined) continue;
      try {
        const table = this.#replay((await this.#files.read(name)) ?? '');
        tables.push(table);
        // Starts from a compact file, so that a line cut off by a crash is never followed by another.
        this.#rewrite(table);
      } catch (thrown) {
        this.#log.error({ file: name, error: toError(thrown).message }, 'desired state not readable');
      }
    }
    await this.flush();
    return tables;
  }

  record(table: NetworkTable, portIds: Iterable<string>): void {
    const journal = this.#journals.get(table.networkId);
    if (journal === undefined || journal.removed || journal.lines > Math.max(COMPACT_AFTER, 2 * table.entries.size)) {
      this.#rewrite(table);
      return;
    }
    let text = '';
    for (const portId of portIds) {
      text += stateLine(portId, table);
      journal.lines += 1;
    }
    journal.pending += text + tableHeader(table);
    journal.lines += 1;
    this.#write(table.networkId, journal);
  }

  forget(networkId: string): void {
    const journal = this.#journals.get(networkId);
    if (journal === undefined) return;
    journal.removed = true;
    journal.pending = '';
    this.#write(networkId, journal);
  }

  /** Resolves when everything recorded so far is on disk. */
  async flush(): Promise<void> {
    this.#hurry.abort();
    while ([...this.#journals.values()].some(({ writing }) => writing !== undefined)) {
      await Promise.all([...this.#journals.values()].map(async (journal) => journal.writing));
    }
    this.#hurry = new AbortController();
  }

  #rewrite(table: NetworkTable): void {
    let text = tableHeader(table);
    let lines = 1;
    for (const portId of new Set([...table.entries.keys(), ...table.ports.keys()])) {
      text += stateLine(portId, table);
      lines += 1;
    }
    const before = this.#journals.get(table.networkId);
    const journal: Journal = { lines, pending: '', writing: undefined, removed: false };
    const name = `${table.networkId}.network`;
    journal.writing = this.#guarded(async () => {
      await before?.writing;
      await this.#files.write(name, text);
    }).finally(() => {
      journal.writing = undefined;
      if (journal.pending !== '' || journal.removed) this.#write(table.networkId, journal);
    });
    this.#journals.set(table.networkId, journal);
  }

  /** What comes within a moment is written at once: the kernel's steps have the machine to themselves first. */
  #write(networkId: string, journal: Journal): void {
    if (journal.writing !== undefined) return;
    const name = `${networkId}.network`;
    journal.writing = this.#guarded(async () => {
      await this.#pause();
      const text = journal.pending;
      journal.pending = '';
      if (journal.removed) {
        await this.#files.remove(name);
        if (this.#journals.get(networkId) === journal) this.#journals.delete(networkId);
      } else if (text !== '') await this.#files.append(name, text);
    }).finally(() => {
      journal.writing = undefined;
      if (journal.pending !== '') this.#write(networkId, journal);
    });
  }

  async #pause(): Promise<void> {
    if (!this.#hurry.signal.aborted) await sleep(GATHER_MS, this.#hurry.signal).catch(() => undefined);
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.#log.error({ error: toError(thrown).message }, 'desired state not written');
    }
  }

  #replay(text: string): NetworkTable {
    let header: StateHeader | undefined;
    const ports = new Map<string, ReturnType<typeof parseStateLine>>();
    const lines = text.split('\n');
    // Without its newline the last line was cut off.
    lines.pop();
    for (const line of lines) {
      const parsed = parseStateLine(line);
      if (parsed.kind === 'header') header = parsed;
      else ports.set(parsed.portId, parsed);
    }
    if (header === undefined) throw new Error('no header');
    const table = new NetworkTable(this.#host, header.facts);
    for (const line of ports.values()) {
      if (line.kind !== 'port') continue;
      if (line.entry !== undefined) table.applyChanges([{ kind: 'set', entry: line.entry }], header.revision);
      if (line.local !== undefined) table.plug(line.local);
    }
    for (const address of header.manualFlood) table.addManualFlood(address);
    table.revision = header.revision;
    table.takeChange();
    return table;
  }
}

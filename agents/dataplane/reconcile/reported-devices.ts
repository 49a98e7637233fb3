import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { LineJournal } from '../model/line-journal.ts';

/** More lines than this, and than devices, and the journal is written anew. */
const COMPACT_AFTER = 1_000;

/**
 * Devices that the registry may have heard of from this host and whose end it has not: kept from before the first word
 * goes out, so that no crash and no lost answer leaves a port bound to a device that is no more.
 */
export class ReportedDevices {
  readonly #journal: LineJournal;
  readonly #log: Log;
  readonly #names = new Set<string>();
  #lines = 0;

  constructor(journal: LineJournal, log: Log) {
    this.#journal = journal;
    this.#log = log;
  }

  load(): void {
    this.#guarded(() => {
      for (const line of this.#journal.read()) {
        if (line.startsWith('+')) this.#names.add(line.slice(1));
        else this.#names.delete(line.slice(1));
      }
      this.#compact();
    });
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** To be called before the registry is told. */
  add(name: string): void {
    if (this.#names.has(name)) return;
    this.#names.add(name);
    this.#note(`+${name}`);
  }

  /** The registry knows of its end, or that knowledge is kept elsewhere. */
  remove(name: string): void {
    if (this.#names.delete(name)) this.#note(`-${name}`);
  }

  #note(line: string): void {
    this.#guarded(() => {
      this.#lines += 1;
      if (this.#lines > COMPACT_AFTER && this.#lines > 2 * this.#names.size) this.#compact();
      else this.#journal.add(line);
    });
  }

  #compact(): void {
    this.#journal.replace([...this.#names].map((name) => `+${name}`));
    this.#lines = this.#names.size;
  }

  /** A full disk is no reason to leave a guest without its network. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.#log.error({ error: toError(thrown).message }, 'reported devices not written');
    }
  }
}

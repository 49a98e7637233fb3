import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { LineJournal } from '../model/line-journal.ts';
import { commandOf, type Operation, type Outcome } from '../model/operation.ts';
import { objectOfNamespace, objectOfPath } from './marks.ts';
import { crowdOf, subjectsOf } from './subjects.ts';
import { keyOf, thingOfKey, type Change, type ObjectRef, type ThingRef } from './thing.ts';

/** Of what a step was part. */
export interface Occasion {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly traceId: string;
  readonly cause: string;
  readonly caller: string;
}

/** All that is remembered of one thing. */
export interface Entry {
  readonly thing: ThingRef;
  /** How often it was changed. */
  readonly count: number;
  /** Oldest first: the first change and the last ones. */
  readonly changes: readonly Change[];
}

interface Page {
  count: number;
  changes: Change[];
}

/** As it stands in the journal. */
interface Line {
  /** Keys of things. */
  readonly s: readonly string[];
  /** How many changes it stands for. */
  readonly n: number;
  readonly c: Change;
}

/** Changes that are kept of one thing. */
const PER_THING = 12;
/** Things that are remembered; that which was changed longest ago goes first. */
const THINGS = 10_000;
/** So many lines more than are needed, and the journal is written anew. */
const SPARE_LINES = 20_000;
/** What was done is written down this long after: together, and when nobody waits. */
const WRITE_AFTER_MS = 100;

/**
 * What this host's agent changed, per thing, across its restarts. Rows and flows, of which there are very many, are
 * counted, and the last one kept. Noting costs the caller no more than a push: what is noted is taken up a moment later,
 * which is what a crash may cost.
 */
export class Ledger {
  readonly #journal: LineJournal;
  readonly #log: Log;
  readonly #pages = new Map<string, Page>();
  readonly #pending: { readonly occasion: Occasion; readonly outcomes: readonly Outcome[] }[] = [];
  readonly #seen = new WeakSet<Operation>();
  #timer: NodeJS.Timeout | undefined;
  #lines = 0;
  #since: number | undefined;

  constructor(journal: LineJournal, log: Log) {
    this.#journal = journal;
    this.#log = log;
  }

  load(): void {
    this.#guarded(() => {
      for (const text of this.#journal.read()) {
        const line = parseLine(text);
        if (line === undefined) continue;
        this.#since = Math.min(this.#since ?? line.c.time, line.c.time);
        for (const key of line.s) this.#turn(key, line.c, line.n);
      }
      this.#rewrite();
    });
  }

  /** When the record begins; undefined when nothing was ever noted. */
  get since(): Date | undefined {
    this.#takeUp();
    return this.#since === undefined ? undefined : new Date(this.#since);
  }

  /** Notes what was done; what failed is left out, and what was noted before. */
  note(occasion: Occasion, outcomes: readonly Outcome[]): void {
    if (outcomes.length === 0) return;
    this.#pending.push({ occasion, outcomes });
    this.#timer ??= setTimeout(() => {
      this.#takeUp();
    }, WRITE_AFTER_MS).unref();
  }

  get(thing: ThingRef): Entry | undefined {
    this.#takeUp();
    const page = this.#pages.get(keyOf(thing));
    return page === undefined ? undefined : { thing, ...page };
  }

  /** Everything there is a record of. */
  all(): readonly Entry[] {
    this.#takeUp();
    return [...this.#pages].map(([key, page]) => ({ thing: thingOfKey(key), ...page }));
  }

  /** Writes down what is still to be written. */
  stop(): void {
    this.#takeUp();
  }

  #takeUp(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines: Line[] = [];
    for (const { occasion, outcomes } of this.#pending.splice(0)) lines.push(...this.#linesOf(occasion, outcomes));
    if (lines.length === 0) return;
    this.#since ??= lines[0]?.c.time;
    for (const line of lines) for (const key of line.s) this.#turn(key, line.c, line.n);
    this.#guarded(() => {
      this.#lines += lines.length;
      if (this.#lines > SPARE_LINES && this.#lines > this.#needed + SPARE_LINES) this.#rewrite();
      else this.#journal.add(lines.map((line) => JSON.stringify(line)).join('\n'));
    });
  }

  #linesOf(occasion: Occasion, outcomes: readonly Outcome[]): readonly Line[] {
    const lines: Line[] = [];
    // Of rows there may be tens of thousands at once: what a command is about is asked once for all of a kind.
    const rows = new Map<string, { operation: Operation; count: number }>();
    for (const { operation, error, time = occasion.time } of outcomes) {
      if (error !== undefined || this.#seen.has(operation)) continue;
      this.#seen.add(operation);
      const crowd = crowdOf(operation);
      if (crowd === undefined) {
        const things = subjectsOf(operation);
        if (things.length > 0)
          lines.push({ s: things.map(keyOf), n: 1, c: changeOf({ ...occasion, time }, operation, things) });
        continue;
      }
      const known = rows.get(crowd);
      if (known === undefined) rows.set(crowd, { operation, count: 1 });
      else {
        known.operation = operation;
        known.count += 1;
      }
    }
    for (const { operation, count } of rows.values()) {
      const things = subjectsOf(operation);
      if (things.length > 0) lines.push({ s: things.map(keyOf), n: count, c: changeOf(occasion, operation, things) });
    }
    return lines;
  }

  #turn(key: string, change: Change, count: number): void {
    const page = this.#pages.get(key) ?? { count: 0, changes: [] };
    page.count += count;
    page.changes.push(change);
    // That which made it is worth more than one of the many that followed.
    if (page.changes.length > PER_THING) page.changes.splice(1, 1);
    // The last changed is the last in line.
    this.#pages.delete(key);
    this.#pages.set(key, page);
    if (this.#pages.size <= THINGS) return;
    const [oldest] = this.#pages.keys();
    if (oldest !== undefined) this.#pages.delete(oldest);
  }

  get #needed(): number {
    let lines = 0;
    for (const { changes } of this.#pages.values()) lines += changes.length;
    return lines;
  }

  #rewrite(): void {
    const lines: string[] = [];
    for (const [key, { count, changes }] of this.#pages) {
      for (const [index, c] of changes.entries()) {
        // The first stands for those that are not kept.
        const n = index === 0 ? count - changes.length + 1 : 1;
        lines.push(JSON.stringify({ s: [key], n, c } satisfies Line));
      }
    }
    this.#journal.replace(lines);
    this.#lines = lines.length;
  }

  /** A full disk is no reason to leave a guest without its network. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.#log.error({ error: toError(thrown).message }, 'changes not written down');
    }
  }
}

const changeOf = (occasion: Occasion, operation: Operation, things: readonly ThingRef[]): Change => {
  const object = objectOf(operation, things);
  return {
    ...occasion,
    command: commandOf(operation),
    reason: operation.reason,
    ...(object !== undefined && { object }),
  };
};

/** The closest there is: a namespace tells more than the network that it serves. */
const objectOf = (operation: Operation, things: readonly ThingRef[]): ObjectRef | undefined => {
  for (const { kind, name, namespace } of things) {
    const object = kind === 'file' ? objectOfPath(name) : objectOfNamespace(kind === 'namespace' ? name : namespace);
    if (object !== undefined) return object;
  }
  if (operation.portId !== undefined) return { kind: 'port', id: operation.portId };
  return operation.networkId === undefined ? undefined : { kind: 'network', id: operation.networkId };
};

const parseLine = (text: string): Line | undefined => {
  try {
    const line = JSON.parse(text) as Partial<Line>;
    const isLine = Array.isArray(line.s) && typeof line.n === 'number' && typeof line.c?.time === 'number';
    return isLine ? (line as Line) : undefined;
  } catch {
    // Cut off by a power cut.
    return undefined;
  }
};

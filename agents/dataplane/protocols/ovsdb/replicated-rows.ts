import type { Row, Table } from './column.ts';
import { decodeRow, keepSame, modifyRow } from './row.ts';
import { isUuid, type Uuid } from './uuid.ts';
import { asObject, malformed } from './wire.ts';

/**
 * What became of one row: new without `before`, gone without `after`. Where it has both, those columns have changed whose
 * values are not the same (`===`).
 */
export type RowChange<T extends Table> = T extends Table
  ? {
      readonly table: T['name'];
      readonly uuid: Uuid;
      readonly before: Row<T> | undefined;
      readonly after: Row<T> | undefined;
    }
  : never;

interface AnyChange {
  readonly table: string;
  readonly uuid: Uuid;
  readonly before: Row<Table> | undefined;
  readonly after: Row<Table> | undefined;
}

/**
 * The rows of some tables, kept current by what the monitors of ovsdb-server(7) tell (`<table-updates2>`, §4.1.14). What
 * cannot be understood throws `internal` and changes nothing.
 */
export class ReplicatedRows<T extends Table> {
  readonly #tables: ReadonlyMap<string, T>;
  readonly #rows: ReadonlyMap<string, Map<Uuid, Row<Table>>>;

  constructor(tables: readonly T[]) {
    this.#tables = new Map(tables.map((table) => [table.name, table]));
    this.#rows = new Map(tables.map((table) => [table.name, new Map<Uuid, Row<Table>>()]));
  }

  /** A view that changes with the copy; empty for a table that is not copied. */
  of<U extends T>(table: U): ReadonlyMap<Uuid, Row<U>> {
    return (this.#rows.get(table.name) ?? new Map<Uuid, Row<Table>>()) as ReadonlyMap<Uuid, unknown> as ReadonlyMap<
      Uuid,
      Row<U>
    >;
  }

  /** Takes what changed since the copy was made. */
  update(updates: unknown): readonly RowChange<T>[] {
    return this.#commit(this.#read(updates));
  }

  /** Takes all there is; what it does not mention is gone. */
  replace(dump: unknown): readonly RowChange<T>[] {
    const changes = this.#read(dump);
    const present = new Map([...this.#rows.keys()].map((name) => [name, new Set<Uuid>()]));
    for (const { table, uuid } of changes) present.get(table)?.add(uuid);
    for (const [table, rows] of this.#rows) {
      for (const [uuid, before] of rows) {
        if (present.get(table)?.has(uuid) !== true) changes.push({ table, uuid, before, after: undefined });
      }
    }
    return this.#commit(changes);
  }

  #read(updates: unknown): AnyChange[] {
    const changes: AnyChange[] = [];
    for (const [name, tableUpdate] of entriesOf('table updates', updates)) {
      const table = this.#tables.get(name);
      const rows = this.#rows.get(name);
      if (table === undefined || rows === undefined) continue;
      for (const [uuid, update] of entriesOf(`an update of ${name}`, tableUpdate)) {
        if (!isUuid(uuid)) throw malformed(`an update of ${name}`, uuid, 'is not a UUID');
        const before = rows.get(uuid);
        changes.push({ table: name, uuid, before, after: rowAfter(table, before, update) });
      }
    }
    return changes;
  }

  #commit(changes: readonly AnyChange[]): readonly RowChange<T>[] {
    const real = changes.filter(({ before, after }) => before !== after);
    for (const { table, uuid, after } of real) {
      if (after === undefined) this.#rows.get(table)?.delete(uuid);
      else this.#rows.get(table)?.set(uuid, after);
    }
    return real as unknown as readonly RowChange<T>[];
  }
}

const entriesOf = (where: string, wire: unknown): readonly (readonly [string, unknown])[] => {
  const members = asObject(wire);
  if (members === undefined) throw malformed(where, wire, 'is not an object');
  return Object.entries(members);
};

/** The row after a `<row-update2>`: the same object when it is the same as before. */
const rowAfter = (table: Table, before: Row<Table> | undefined, update: unknown): Row<Table> | undefined => {
  const { initial, insert = initial, modify, delete: gone } = asObject(update) ?? {};
  if (insert !== undefined) {
    const row = decodeRow(table, insert);
    return before === undefined ? row : keepSame(table, before, row);
  }
  // `null`: there is nothing to say of a row that is gone.
  if (gone !== undefined) return undefined;
  if (modify === undefined) throw malformed(`an update of ${table.name}`, update, 'is of no known kind');
  if (before === undefined) throw malformed(`an update of ${table.name}`, update, 'is of a row never heard of');
  return modifyRow(table, before, modify);
};

import type { Column, ColumnName, Row, Table } from './column.ts';
import { decodeValue } from './decode-value.ts';
import { applyDifference, defaultOf, sameValue, type Value } from './value.ts';
import { asObject, malformed } from './wire.ts';

type Values = Readonly<Record<string, Value>>;

const columnsOf = (table: Table): readonly (readonly [string, Column])[] => Object.entries(table.columns);

const membersOf = (table: Table, wire: unknown): Readonly<Record<string, unknown>> => {
  const members = asObject(wire);
  if (members === undefined) throw malformed(`a row of ${table.name}`, wire, 'is not an object');
  return members;
};

/** Reads a whole `<row>`, which may leave out columns that have their default; throws `internal`. */
export const decodeRow = <T extends Table>(table: T, wire: unknown): Row<T> => {
  const members = membersOf(table, wire);
  const row: Record<string, Value> = {};
  for (const [name, column] of columnsOf(table)) {
    const member = members[name];
    row[name] = member === undefined ? defaultOf(column) : decodeValue(`${table.name}.${name}`, column, member);
  }
  return row as Row<T>;
};

/** Reads the columns that a `<row>` must have; throws `internal`. */
export const decodeColumns = <T extends Table, C extends ColumnName<T>>(
  table: T,
  names: readonly C[],
  wire: unknown,
): Pick<Row<T>, C> => {
  const members = membersOf(table, wire);
  const row: Record<string, Value> = {};
  for (const name of names) {
    const column = table.columns[name];
    if (column !== undefined) row[name] = decodeValue(`${table.name}.${name}`, column, members[name]);
  }
  return row as Pick<Row<T>, C>;
};

/** The row after a `modify`; what did not change is the same object as before, a whole row too. Throws `internal`. */
export const modifyRow = <T extends Table>(table: T, before: Row<T>, wire: unknown): Row<T> => {
  const members = membersOf(table, wire);
  const old = before as Values;
  const row: Record<string, Value> = { ...old };
  for (const [name, column] of columnsOf(table)) {
    const member = members[name];
    if (member === undefined) continue;
    row[name] = applyDifference(column, old[name], decodeValue(`${table.name}.${name}`, column, member));
  }
  return keepSame(table, before, row as Row<T>);
};

/** `after`, with the values of `before` where they are the same; `before` itself where all are. */
export const keepSame = <T extends Table>(table: T, before: Row<T>, after: Row<T>): Row<T> => {
  const [old, now]: readonly [Values, Values] = [before, after];
  const names = Object.keys(table.columns);
  const same = names.filter((name) => sameValue(old[name], now[name]));
  if (same.length === names.length) return before;
  return { ...after, ...Object.fromEntries(same.map((name) => [name, old[name]])) };
};

import type { ColumnName, InputOf, NewRow, RemovalOf, Row, Table } from './column.ts';
import type { Reference, Uuid } from './uuid.ts';

/**
 * What rows an operation is about: all for which every condition holds, so all rows for none. `includes` and `excludes`
 * take what a set or map must have, or must have nothing of (RFC 7047 §5.1, `<condition>`).
 */
export type Condition<T extends Table = Table> =
  | readonly ['_uuid', '==' | '!=', Reference]
  | {
      readonly [C in ColumnName<T>]: readonly [C, '==' | '!=' | 'includes' | 'excludes', InputOf<T['columns'][C]>];
    }[ColumnName<T>];

/**
 * A change relative to what a column has (RFC 7047 §5.1, `<mutation>`). `insert` into a map leaves a key that is there as
 * it is: to replace its value, `delete` the key first, in the same list.
 */
export type Mutation<T extends Table = Table> = {
  readonly [C in ColumnName<T>]:
    | readonly [C, '+=' | '-=' | '*=' | '/=' | '%=', number]
    | readonly [C, 'insert', InputOf<T['columns'][C]>]
    | readonly [C, 'delete', RemovalOf<T['columns'][C]>];
}[ColumnName<T>];

/** Makes a row. */
export interface Insert<T extends Table = Table> {
  readonly op: 'insert';
  readonly table: T;
  readonly row: NewRow<T>;
  readonly name: string | undefined;
}

/** Sets columns of rows. */
export interface Update<T extends Table = Table> {
  readonly op: 'update';
  readonly table: T;
  readonly where: readonly Condition<T>[];
  readonly row: NewRow<T>;
}

/** Changes columns of rows relative to what they have. */
export interface Mutate<T extends Table = Table> {
  readonly op: 'mutate';
  readonly table: T;
  readonly where: readonly Condition<T>[];
  readonly mutations: readonly Mutation<T>[];
}

/** Deletes rows. */
export interface Delete<T extends Table = Table> {
  readonly op: 'delete';
  readonly table: T;
  readonly where: readonly Condition<T>[];
}

/** Reads rows within the transaction. */
export interface Select<T extends Table = Table, C extends ColumnName<T> = ColumnName<T>> {
  readonly op: 'select';
  readonly table: T;
  readonly where: readonly Condition<T>[];
  readonly columns: readonly C[];
}

/** Lets the transaction go on only once, in some columns, the rows are (`==`) or are not (`!=`) the given ones. */
export interface Wait<T extends Table = Table> {
  readonly op: 'wait';
  readonly table: T;
  readonly where: readonly Condition<T>[];
  readonly columns: readonly ColumnName<T>[];
  readonly until: '==' | '!=';
  readonly rows: readonly NewRow<T>[];
  readonly timeoutMs: number;
}

/** Goes to the database's log with the transaction; `ovsdb-tool show-log` shows it. */
export interface Comment {
  readonly op: 'comment';
  readonly comment: string;
}

/** One operation of a transaction, as a value: it does nothing by itself. */
export type Operation = Insert | Update | Mutate | Delete | Select | Wait | Comment;

/** A row that `select` found. */
export interface SelectedRow<T extends Table, C extends ColumnName<T> = ColumnName<T>> {
  readonly uuid: Uuid;
  readonly row: Pick<Row<T>, C>;
}

/** What an operation brings: the new row's UUID, how many rows were changed, the rows found. */
export type ResultOf<O extends Operation> = O extends Insert
  ? Uuid
  : O extends { readonly op: 'update' | 'mutate' | 'delete' }
    ? number
    : O extends Select<infer T, infer C>
      ? readonly SelectedRow<T, C>[]
      : undefined;

/** What each operation brings, in their order. */
export type ResultsOf<Operations extends readonly Operation[]> = {
  readonly [I in keyof Operations]: ResultOf<Operations[I]>;
};

/** Makes a row, which other operations of the transaction refer to by `namedUuid(name)`. */
export const insert = <T extends Table>(table: T, row: NewRow<T>, name?: string): Insert<T> => ({
  op: 'insert',
  table,
  row,
  name,
});

/** Sets columns of the rows that match. */
export const update = <T extends Table>(table: T, where: readonly Condition<T>[], row: NewRow<T>): Update<T> => ({
  op: 'update',
  table,
  where,
  row,
});

/** Changes columns of the rows that match, relative to what others wrote. */
export const mutate = <T extends Table>(
  table: T,
  where: readonly Condition<T>[],
  mutations: readonly Mutation<T>[],
): Mutate<T> => ({ op: 'mutate', table, where, mutations });

/** Deletes the rows that match. */
export const remove = <T extends Table>(table: T, where: readonly Condition<T>[]): Delete<T> => ({
  op: 'delete',
  table,
  where,
});

/** Reads columns of the rows that match, as they are after the operations before it. */
export const select = <T extends Table, C extends ColumnName<T>>(
  table: T,
  where: readonly Condition<T>[],
  columns: readonly C[],
): Select<T, C> => ({ op: 'select', table, where, columns });

/** What a transaction takes for granted; it fails with `conflict` where that does not come true within `timeoutMs`, 0 by default. */
export const wait = <T extends Table>(
  table: T,
  where: readonly Condition<T>[],
  columns: readonly ColumnName<T>[],
  until: '==' | '!=',
  rows: readonly NewRow<T>[],
  timeoutMs = 0,
): Wait<T> => ({ op: 'wait', table, where, columns, until, rows, timeoutMs });

/** A remark for who reads the database's log. */
export const comment = (text: string): Comment => ({ op: 'comment', comment: text });

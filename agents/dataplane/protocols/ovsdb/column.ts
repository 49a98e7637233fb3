import type { Reference, Uuid } from './uuid.ts';

interface AtomTypes {
  readonly string: string;
  /** 64 bits in the database; those past 2^53 lose their last digits here. */
  readonly integer: number;
  readonly real: number;
  readonly boolean: boolean;
  readonly uuid: Uuid;
}

/** RFC 7047 §3.2, `<atomic-type>`. */
export type AtomName = keyof AtomTypes;

/** A single value, as it is read. */
export type Atom = AtomTypes[AtomName];

interface ScalarColumn<A extends AtomName = AtomName> {
  readonly shape: 'scalar';
  readonly atom: A;
}
interface OptionalColumn<A extends AtomName = AtomName> {
  readonly shape: 'optional';
  readonly atom: A;
}
interface SetColumn<A extends AtomName = AtomName> {
  readonly shape: 'set';
  readonly atom: A;
}
interface MapColumn<K extends AtomName = AtomName, A extends AtomName = AtomName> {
  readonly shape: 'map';
  readonly key: K;
  readonly atom: A;
}

/** The type of a column (RFC 7047 §3.2, `<type>`), as far as values differ by it. */
export type Column = ScalarColumn | OptionalColumn | SetColumn | MapColumn;

/** Exactly one value. */
export const scalar = <A extends AtomName>(atom: A): ScalarColumn<A> => ({ shape: 'scalar', atom });
/** One value or none: a set of `"min": 0, "max": 1`. */
export const optional = <A extends AtomName>(atom: A): OptionalColumn<A> => ({ shape: 'optional', atom });
/** A set that may have more than one value. */
export const set = <A extends AtomName>(atom: A): SetColumn<A> => ({ shape: 'set', atom });
/** A map. */
export const map = <K extends AtomName, A extends AtomName>(key: K, atom: A): MapColumn<K, A> => ({
  shape: 'map',
  key,
  atom,
});

/** What is read of a column: a set comes sorted, so that equal sets are equal arrays. */
export type ValueOf<C extends Column> =
  C extends ScalarColumn<infer A>
    ? AtomTypes[A]
    : C extends OptionalColumn<infer A>
      ? AtomTypes[A] | undefined
      : C extends SetColumn<infer A>
        ? readonly AtomTypes[A][]
        : C extends MapColumn<infer K, infer A>
          ? ReadonlyMap<AtomTypes[K], AtomTypes[A]>
          : never;

type Writable<A extends AtomName> = A extends 'uuid' ? Reference : AtomTypes[A];

/** What is written to a column: rows may be named, and `undefined` empties an optional column. */
export type InputOf<C extends Column> =
  C extends ScalarColumn<infer A>
    ? Writable<A>
    : C extends OptionalColumn<infer A>
      ? Writable<A> | undefined
      : C extends SetColumn<infer A>
        ? readonly Writable<A>[]
        : C extends MapColumn<infer K, infer A>
          ? ReadonlyMap<Writable<K>, Writable<A>>
          : never;

/** What is taken out of a column by the `delete` mutation: of a map, entries or the keys alone. */
export type RemovalOf<C extends Column> = InputOf<C> | (C extends MapColumn<infer K> ? readonly Writable<K>[] : never);

/** A table, or the columns of it that matter. */
export interface Table<
  Name extends string = string,
  Columns extends Readonly<Record<string, Column>> = Readonly<Record<string, Column>>,
> {
  readonly name: Name;
  readonly columns: Columns;
}

/** Declares a table; what its rows are is derived from it (`Row`, `NewRow`). */
export const table = <const Name extends string, const Columns extends Readonly<Record<string, Column>>>(
  name: Name,
  columns: Columns,
): Table<Name, Columns> => ({ name, columns });

/** The name of a column of a table. */
export type ColumnName<T extends Table> = keyof T['columns'] & string;

/** A row as it is read; never edited, so the same object is the same content. */
export type Row<T extends Table> = { readonly [C in ColumnName<T>]: ValueOf<T['columns'][C]> };

/** Columns to be written; those left out keep their value, or have the default of their type in a new row. */
export type NewRow<T extends Table> = { readonly [C in ColumnName<T>]?: InputOf<T['columns'][C]> };

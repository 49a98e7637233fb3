import { randomUUID } from 'node:crypto';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Column, Row } from '../../../protocols/ovsdb/column.ts';
import type { Operation } from '../../../protocols/ovsdb/operation.ts';
import type { Uuid } from '../../../protocols/ovsdb/uuid.ts';
import { vswitchTables } from '../../../protocols/ovsdb/vswitch-tables.ts';
import type { VswitchTable } from '../../../protocols/ovsdb/vswitch-tables.ts';
import type { SwitchRows } from '../switch-view.ts';

type Content = Readonly<Record<string, unknown>>;

const EMPTY: Readonly<Record<string, unknown>> = { string: '', integer: 0, real: 0, boolean: false, uuid: '' };

const defaultOf = (column: Column): unknown => {
  if (column.shape === 'scalar') return EMPTY[column.atom];
  if (column.shape === 'optional') return undefined;
  return column.shape === 'set' ? [] : new Map();
};

/** Who refers to the rows of a table: those that nobody refers to go (ovs-vswitchd.conf.db(5): not `isRoot`). */
const REFERRERS: Readonly<Record<string, readonly [table: string, column: string]>> = {
  Bridge: ['Open_vSwitch', 'bridges'],
  Port: ['Bridge', 'ports'],
  Interface: ['Port', 'interfaces'],
  Flow_Table: ['Bridge', 'flow_tables'],
};

/**
 * The part of ovsdb-server that the driver speaks to, as it behaves: a transaction is done whole or not at all, a name is
 * given once, rows go with the last that refers to them, and a row that changes is another object.
 */
export class FakeDatabase implements SwitchRows {
  #tables: ReadonlyMap<string, ReadonlyMap<Uuid, Content>> = new Map();

  constructor() {
    this.#insert('Open_vSwitch', randomUUID() as Uuid, {});
  }

  rows<T extends VswitchTable>(table: T): ReadonlyMap<Uuid, Row<T>> {
    return this.#of(table.name) as ReadonlyMap<Uuid, Row<T>>;
  }

  /** Throws `precondition` for what a real one refuses, and has changed nothing then. */
  transact(operations: readonly Operation[]): void {
    const before = this.#tables;
    try {
      const names = new Map(
        operations.flatMap((each) =>
          each.op === 'insert' && each.name !== undefined ? [[each.name, randomUUID() as Uuid] as const] : [],
        ),
      );
      for (const operation of operations) this.#run(operation, names);
      this.#collectGarbage();
      this.#checkNames();
    } catch (error) {
      this.#tables = before;
      throw error;
    }
  }

  /** Writes columns of a row, as ovs-vswitchd does. */
  write(table: VswitchTable, uuid: Uuid, columns: Content): void {
    const row = this.#of(table.name).get(uuid);
    if (row !== undefined) this.#put(table.name, uuid, { ...row, ...columns });
  }

  #of(table: string): ReadonlyMap<Uuid, Content> {
    return this.#tables.get(table) ?? new Map<Uuid, Content>();
  }

  #put(table: string, uuid: Uuid, row: Content): void {
    this.#tables = new Map([...this.#tables, [table, new Map([...this.#of(table), [uuid, row]])]]);
  }

  #insert(table: string, uuid: Uuid, row: Content): void {
    const columns = vswitchTables.find(({ name }) => name === table)?.columns ?? {};
    const defaults = Object.entries<Column>(columns).map(([name, column]) => [name, defaultOf(column)] as const);
    this.#put(table, uuid, { ...Object.fromEntries(defaults), ...row });
  }

  #run(operation: Operation, names: ReadonlyMap<string, Uuid>): void {
    const resolved = (value: unknown): unknown => resolve(value, names);
    if (operation.op === 'insert') {
      const uuid = names.get(operation.name ?? '') ?? (randomUUID() as Uuid);
      this.#insert(operation.table.name, uuid, resolvedRow(operation.row, resolved));
    } else if (operation.op === 'update') {
      for (const [uuid, row] of this.#matching(operation.table.name, operation.where))
        this.#put(operation.table.name, uuid, { ...row, ...resolvedRow(operation.row, resolved) });
    } else if (operation.op === 'mutate') {
      for (const [uuid, row] of this.#matching(operation.table.name, operation.where)) {
        const changed: Record<string, unknown> = { ...row };
        for (const [column, mutator, value] of operation.mutations)
          changed[column] = mutated(changed[column], mutator, resolved(value));
        this.#put(operation.table.name, uuid, changed);
      }
    } else throw new Error(`the fake database does not know ${operation.op}`);
  }

  #matching(
    table: string,
    where: readonly (readonly [string, string, unknown])[],
  ): readonly (readonly [Uuid, Content])[] {
    return [...this.#of(table)].filter(([uuid]) =>
      where.every(([column, is, value]) => {
        if (column !== '_uuid' || is !== '==') throw new Error(`the fake database does not know ${column} ${is}`);
        return value === uuid;
      }),
    );
  }

  #collectGarbage(): void {
    for (const [table, [referrer, column]] of Object.entries(REFERRERS)) {
      const referred = new Set(
        [...this.#of(referrer).values()].flatMap((row) => {
          const value = row[column];
          return value instanceof Map ? [...(value.values() as Iterable<unknown>)] : value;
        }),
      );
      const kept = [...this.#of(table)].filter(([uuid]) => referred.has(uuid));
      this.#tables = new Map([...this.#tables, [table, new Map(kept)]]);
    }
  }

  #checkNames(): void {
    for (const table of ['Bridge', 'Port', 'Interface']) {
      const names = [...this.#of(table).values()].map(({ name }) => name);
      if (new Set(names).size === names.length) continue;
      throw new DomainError('precondition', 'OVSDB_CONSTRAINT', `two rows of ${table} have one name`);
    }
  }
}

const resolve = (value: unknown, names: ReadonlyMap<string, Uuid>): unknown => {
  if (Array.isArray(value)) return value.map((each) => resolve(each, names));
  if (value instanceof Map)
    return new Map([...(value as ReadonlyMap<unknown, unknown>)].map(([key, each]) => [key, resolve(each, names)]));
  if (typeof value === 'object' && value !== null && 'namedUuid' in value) return names.get(String(value.namedUuid));
  return value;
};

const resolvedRow = (row: object, resolved: (value: unknown) => unknown): Content =>
  Object.fromEntries(Object.entries(row).map(([column, value]) => [column, resolved(value)]));

/** RFC 7047 §5.1, `<mutation>`: `insert` leaves a key of a map as it is. */
const mutated = (old: unknown, mutator: string, value: unknown): unknown => {
  if (old instanceof Map) {
    const map = new Map(old as ReadonlyMap<unknown, unknown>);
    if (mutator === 'insert') return new Map([...(value as ReadonlyMap<unknown, unknown>), ...map]);
    for (const key of value as readonly unknown[]) map.delete(key);
    return map;
  }
  const [set, others] = [old as readonly unknown[], value as readonly unknown[]];
  if (mutator === 'insert') return [...set, ...others.filter((each) => !set.includes(each))];
  return set.filter((each) => !others.includes(each));
};

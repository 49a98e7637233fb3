import { invalidField } from '#platform/errors/domain-error.ts';
import type { Column, NewRow, Table } from './column.ts';
import { encodeAtom, encodeSet, encodeValue } from './encode-value.ts';
import type { Condition, Mutation, Operation } from './operation.ts';
import { asArray, type Json, type JsonObject } from './wire.ts';
import { isRowName } from './uuid.ts';

/** Writes an `<operation>` (RFC 7047 §5.2). Throws `invalid`, naming table and column, for what cannot be sent. */
export const encodeOperation = (operation: Operation): JsonObject => {
  const { op } = operation;
  switch (op) {
    case 'comment':
      return { op, comment: encodeAtom('comment', 'string', operation.comment) };
    case 'insert': {
      const { table, name, row } = operation;
      if (name !== undefined && !isRowName(name)) throw invalidField('uuid-name', name, 'is no name of a row');
      return { op, table: table.name, row: rowOf(table, row), ...(name === undefined ? {} : { 'uuid-name': name }) };
    }
    case 'update':
      return { op, ...placeOf(operation), row: rowOf(operation.table, operation.row) };
    case 'mutate': {
      const { table, mutations } = operation;
      return { op, ...placeOf(operation), mutations: mutations.map((mutation) => mutationOf(table, mutation)) };
    }
    case 'delete':
      return { op, ...placeOf(operation) };
    case 'select':
      return { op, ...placeOf(operation), columns: ['_uuid', ...operation.columns] };
    case 'wait': {
      const { table, columns, until, rows, timeoutMs } = operation;
      const timeout = encodeAtom('timeout', 'integer', timeoutMs);
      return { op, ...placeOf(operation), columns, until, rows: rows.map((row) => rowOf(table, row)), timeout };
    }
  }
};

const placeOf = ({ table, where }: { readonly table: Table; readonly where: readonly Condition[] }): JsonObject => ({
  table: table.name,
  where: where.map((condition) => conditionOf(table, condition)),
});

const columnOf = (table: Table, name: string): Column => {
  const column = Object.hasOwn(table.columns, name) ? table.columns[name] : undefined;
  if (column === undefined) throw invalidField(table.name, name, 'is no column that is declared of this table');
  return column;
};

const rowOf = (table: Table, row: NewRow<Table>): JsonObject =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      encodeValue(`${table.name}.${name}`, columnOf(table, name), value),
    ]),
  );

const conditionOf = (table: Table, [name, relation, value]: Condition): Json => {
  const field = `${table.name}.${name}`;
  if (name === '_uuid') return [name, relation, encodeAtom(field, 'uuid', value)];
  return [name, relation, encodeValue(field, columnOf(table, name), value)];
};

const mutationOf = (table: Table, [name, mutator, value]: Mutation): Json => {
  const field = `${table.name}.${name}`;
  const column = columnOf(table, name);
  if (mutator !== 'insert' && mutator !== 'delete') return [name, mutator, encodeAtom(field, column.atom, value)];
  const keysOnly = column.shape === 'map' && mutator === 'delete' && asArray(value) !== undefined;
  return [name, mutator, keysOnly ? encodeSet(field, column.key, value) : encodeValue(field, column, value)];
};

import { DomainError, type ErrorCode } from '#platform/errors/domain-error.ts';
import { decodeUuid } from './decode-value.ts';
import type { Operation, SelectedRow } from './operation.ts';
import { decodeColumns } from './row.ts';
import { asArray, asObject, malformed } from './wire.ts';

interface Refusal {
  readonly code: ErrorCode;
  readonly reason: string;
}

const CONSTRAINT: Refusal = { code: 'precondition', reason: 'OVSDB_CONSTRAINT' };
const CONFLICT: Refusal = { code: 'conflict', reason: 'OVSDB_CONFLICT' };
const UNAVAILABLE: Refusal = { code: 'unavailable', reason: 'OVSDB_UNAVAILABLE' };

/** RFC 7047 §3.1, §5.2 and the sources of ovsdb-server; whatever else it says, this client wrote something wrong. */
const REFUSALS: ReadonlyMap<string, Refusal> = new Map([
  ['constraint violation', CONSTRAINT],
  ['referential integrity violation', CONSTRAINT],
  ['timed out', CONFLICT],
  ['aborted', CONFLICT],
  ['not owner', CONFLICT],
  ['resources exhausted', { code: 'exhausted', reason: 'OVSDB_EXHAUSTED' }],
  ['permission error', { code: 'denied', reason: 'OVSDB_DENIED' }],
  ['not allowed', { code: 'denied', reason: 'OVSDB_DENIED' }],
  ['I/O error', UNAVAILABLE],
  ['unknown database', UNAVAILABLE],
  ['canceled', UNAVAILABLE],
  ['cluster error', UNAVAILABLE],
  ['not leader', UNAVAILABLE],
]);
const DEFECT: Refusal = { code: 'internal', reason: 'OVSDB_REFUSED' };

/** An `<error>` of the server, in its words: `what` failed. `details.error` is the kind that the server calls it. */
export const refusal = (what: string, error: unknown): DomainError => {
  const members = asObject(error);
  const kind = text(members?.['error']) ?? text(error) ?? JSON.stringify(error);
  const words = [kind, text(members?.['details']), text(members?.['syntax'])].filter((part) => part !== undefined);
  const { code, reason } = REFUSALS.get(kind) ?? DEFECT;
  return new DomainError(code, reason, `OVSDB: ${what}: ${words.join(': ')}`, {
    details: { operation: what, error: kind },
  });
};

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/**
 * What each operation brought, from the `result` of a transaction (RFC 7047 §4.1.3): the typed `ResultsOf` in their order.
 * Throws as `refusal` when one failed, or all of them together at the commit; then nothing was done.
 */
export const readResults = (operations: readonly Operation[], result: unknown): readonly unknown[] => {
  const results = asArray(result);
  if (results === undefined) throw malformed('the result of a transaction', result, 'is not an array');
  for (const [index, one] of results.entries()) {
    const failed = asObject(one)?.['error'];
    if (failed === undefined || failed === null) continue;
    const operation = operations[index];
    throw refusal(operation === undefined ? `commit of ${summary(operations)}` : nameOf(operation), one);
  }
  if (results.length !== operations.length) {
    throw malformed('the result of a transaction', result, `is not that of ${operations.length.toString()} operations`);
  }
  return operations.map((operation, index) => readResult(operation, results[index]));
};

const readResult = (operation: Operation, result: unknown): unknown => {
  const where = `the result of ${nameOf(operation)}`;
  const members = asObject(result);
  if (members === undefined) throw malformed(where, result, 'is not an object');
  switch (operation.op) {
    case 'insert':
      return decodeUuid(where, members['uuid']);
    case 'update':
    case 'mutate':
    case 'delete': {
      const { count } = members;
      if (typeof count !== 'number') throw malformed(where, result, 'has no count');
      return count;
    }
    case 'select': {
      const rows = asArray(members['rows']);
      if (rows === undefined) throw malformed(where, result, 'has no rows');
      return rows.map((row): SelectedRow<typeof operation.table> => ({
        uuid: decodeUuid(where, asObject(row)?.['_uuid']),
        row: decodeColumns(operation.table, operation.columns, row),
      }));
    }
    case 'wait':
    case 'comment':
      return undefined;
  }
};

/** `insert into Port`, for people. */
const nameOf = (operation: Operation): string => {
  switch (operation.op) {
    case 'insert':
      return `insert into ${operation.table.name}`;
    case 'delete':
      return `delete from ${operation.table.name}`;
    case 'select':
      return `select from ${operation.table.name}`;
    case 'update':
    case 'mutate':
      return `${operation.op} ${operation.table.name}`;
    case 'wait':
      return `wait for ${operation.table.name}`;
    case 'comment':
      return 'comment';
  }
};

const summary = (operations: readonly Operation[]): string => [...new Set(operations.map(nameOf))].join(', ');

import { invalidField } from '#platform/errors/domain-error.ts';
import type { AtomName, Column } from './column.ts';
import { isRowName, isUuid } from './uuid.ts';
import { asArray, asObject, type Json } from './wire.ts';

/**
 * Writes a value as a `<value>` (RFC 7047 §5.1). Throws `invalid` for what the column's type cannot hold, and for text that
 * cannot be sent: the server ends the connection over that, and with it the transactions of others.
 */
export const encodeValue = (field: string, column: Column, value: unknown): Json => {
  switch (column.shape) {
    case 'scalar':
      return encodeAtom(field, column.atom, value);
    case 'optional':
      return value === undefined ? ['set', []] : encodeAtom(field, column.atom, value);
    case 'set':
      return encodeSet(field, column.atom, value);
    case 'map':
      return encodeMap(field, column.key, column.atom, value);
  }
};

/** Writes a `<set>`, which may be the keys of a map; throws `invalid`. */
export const encodeSet = (field: string, atom: AtomName, value: unknown): Json => {
  const elements = asArray(value);
  if (elements === undefined) throw invalidField(field, value, 'is not an array');
  return ['set', elements.map((element) => encodeAtom(field, atom, element))];
};

const encodeMap = (field: string, key: AtomName, atom: AtomName, value: unknown): Json => {
  if (!(value instanceof Map)) throw invalidField(field, value, 'is not a Map');
  const entries = [...(value as ReadonlyMap<unknown, unknown>)];
  return ['map', entries.map(([name, entry]) => [encodeAtom(field, key, name), encodeAtom(field, atom, entry)])];
};

/** Writes an `<atom>`; throws `invalid`. */
export const encodeAtom = (field: string, atom: AtomName, value: unknown): Json => {
  switch (atom) {
    case 'string':
      if (typeof value !== 'string') break;
      if (!value.isWellFormed() || value.includes('\0')) {
        throw invalidField(field, value, 'must be Unicode text without NUL');
      }
      return value;
    case 'integer':
      if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
      break;
    case 'real':
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      break;
    case 'boolean':
      if (typeof value === 'boolean') return value;
      break;
    case 'uuid': {
      if (isUuid(value)) return ['uuid', value];
      const name = asObject(value)?.['namedUuid'];
      if (isRowName(name)) return ['named-uuid', name];
      break;
    }
  }
  throw invalidField(field, value, `is not of type ${atom}`);
};

import type { Atom, Column } from './column.ts';
import { ZERO_UUID } from './uuid.ts';

/** What any column can hold, as it is read: `ValueOf` of a column that is not known yet. */
export type Value = Atom | undefined | readonly Atom[] | ReadonlyMap<Atom, Atom>;

const DEFAULTS = { string: '', integer: 0, real: 0, boolean: false, uuid: ZERO_UUID } as const;

/** The value of a column that a row does not mention (RFC 7047 §5.2.1). */
export const defaultOf = (column: Column): Value => {
  switch (column.shape) {
    case 'scalar':
      return DEFAULTS[column.atom];
    case 'optional':
      return undefined;
    case 'set':
      return [];
    case 'map':
      return new Map();
  }
};

/** The order that sets are read in. */
export const compareAtoms = (a: Atom, b: Atom): number => {
  if (a === b) return 0;
  return a < b ? -1 : 1;
};

/** Whether two values of one column are the same. */
export const sameValue = (a: Value, b: Value): boolean => {
  if (a === b || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (a instanceof Map) return b instanceof Map && sameMap(a, b);
  const [some, others] = [a as readonly Atom[], b as readonly Atom[]];
  return some.length === others.length && some.every((element, index) => element === others[index]);
};

const sameMap = (a: ReadonlyMap<Atom, Atom>, b: ReadonlyMap<Atom, Atom>): boolean => {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
};

/**
 * The value after a `modify` that tells `difference` (ovsdb-server(7) §4.1.14): of a set, the elements that only one of
 * the two values has; of a map, the entries whose key only one has, and the changed ones as they are now; of anything
 * else, a set of one at most included, the new value itself.
 */
export const applyDifference = (column: Column, before: Value, difference: Value): Value => {
  if (column.shape === 'set') {
    const elements = new Set(before as readonly Atom[]);
    for (const element of difference as readonly Atom[]) if (!elements.delete(element)) elements.add(element);
    return [...elements].sort(compareAtoms);
  }
  if (column.shape === 'map') {
    const entries = new Map(before as ReadonlyMap<Atom, Atom>);
    for (const [key, value] of difference as ReadonlyMap<Atom, Atom>) {
      if (entries.get(key) === value) entries.delete(key);
      else entries.set(key, value);
    }
    return entries;
  }
  return difference;
};

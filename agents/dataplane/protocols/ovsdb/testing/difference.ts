import type { Atom, Column } from '../column.ts';
import type { Value } from '../value.ts';

/** The difference between two values as ovsdb-server(7) §4.1.14 words it for a `modify`. */
export const differenceOf = (column: Column, before: Value, after: Value): Value => {
  if (column.shape === 'set') {
    const [old, now] = [new Set(before as readonly Atom[]), new Set(after as readonly Atom[])];
    return [...old.symmetricDifference(now)];
  }
  if (column.shape === 'map') {
    const [old, now] = [before as ReadonlyMap<Atom, Atom>, after as ReadonlyMap<Atom, Atom>];
    const gone = [...old].filter(([key]) => !now.has(key));
    const newOrChanged = [...now].filter(([key, value]) => old.get(key) !== value);
    return new Map([...gone, ...newOrChanged]);
  }
  return after;
};

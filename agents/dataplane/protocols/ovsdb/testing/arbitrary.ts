import fc from 'fast-check';
import type { Atom, AtomName, Column } from '../column.ts';
import type { Uuid } from '../uuid.ts';
import { compareAtoms, type Value } from '../value.ts';

/** UUIDs, few enough to meet again. */
export const arbitraryUuid: fc.Arbitrary<Uuid> = fc
  .integer({ min: 0, max: 20 })
  .map((n) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}` as Uuid);

const text = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'c', 'set', 'map', 'uuid', '__proto__'),
  fc.string({ unit: 'grapheme' }).filter((string) => string.isWellFormed() && !string.includes('\0')),
);

const ATOMS: Readonly<Record<AtomName, fc.Arbitrary<Atom>>> = {
  string: text,
  integer: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger()),
  real: fc.double({ noNaN: true, noDefaultInfinity: true }).map((real) => (real === 0 ? 0 : real)),
  boolean: fc.boolean(),
  uuid: arbitraryUuid,
};

const atomName = fc.constantFrom<AtomName>('string', 'integer', 'real', 'boolean', 'uuid');

/** Any type of column. */
export const arbitraryColumn: fc.Arbitrary<Column> = fc.oneof(
  fc.record({ shape: fc.constantFrom('scalar' as const, 'optional' as const, 'set' as const), atom: atomName }),
  fc.record({ shape: fc.constant('map' as const), key: atomName, atom: atomName }),
);

/** What such a column may hold. */
export const arbitraryValue = (column: Column): fc.Arbitrary<Value> => {
  const atom = ATOMS[column.atom];
  switch (column.shape) {
    case 'scalar':
      return atom;
    case 'optional':
      return fc.option(atom, { nil: undefined });
    case 'set':
      return fc.uniqueArray(atom, { maxLength: 6 }).map((atoms) => atoms.sort(compareAtoms));
    case 'map':
      return fc
        .uniqueArray(fc.tuple(ATOMS[column.key], atom), { maxLength: 6, selector: ([key]) => key })
        .map((entries) => new Map(entries));
  }
};

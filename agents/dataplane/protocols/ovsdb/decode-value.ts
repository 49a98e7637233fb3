import type { Atom, AtomName, Column } from './column.ts';
import { isUuid, type Uuid } from './uuid.ts';
import { compareAtoms, type Value } from './value.ts';
import { asArray, malformed } from './wire.ts';

/** Reads a `<value>` (RFC 7047 §5.1); throws `internal`, naming `where`, for one that is not of the column's type. */
export const decodeValue = (where: string, column: Column, wire: unknown): Value => {
  switch (column.shape) {
    case 'scalar':
      return decodeAtom(where, column.atom, wire);
    case 'optional': {
      const atoms = decodeSet(where, column.atom, wire);
      if (atoms.length > 1) throw malformed(where, wire, 'has more than one value');
      return atoms[0];
    }
    case 'set':
      return decodeSet(where, column.atom, wire).sort(compareAtoms);
    case 'map':
      return decodeMap(where, column.key, column.atom, wire);
  }
};

/** Reads a `<uuid>`, which is `["uuid", text]`; throws `internal`. */
export const decodeUuid = (where: string, wire: unknown): Uuid => {
  const [tag, text] = asArray(wire) ?? [];
  if (tag === 'uuid' && isUuid(text)) return text;
  throw malformed(where, wire, 'is not of type uuid');
};

const decodeAtom = (where: string, atom: AtomName, wire: unknown): Atom => {
  switch (atom) {
    case 'string':
      if (typeof wire === 'string') return wire;
      break;
    case 'integer':
      if (typeof wire === 'number' && Number.isInteger(wire)) return wire;
      break;
    case 'real':
      if (typeof wire === 'number') return wire;
      break;
    case 'boolean':
      if (typeof wire === 'boolean') return wire;
      break;
    case 'uuid':
      return decodeUuid(where, wire);
  }
  throw malformed(where, wire, `is not of type ${atom}`);
};

/** A set of one may come as the one: `"a"` for `["set", ["a"]]`. */
const decodeSet = (where: string, atom: AtomName, wire: unknown): Atom[] => {
  const [tag, content] = asArray(wire) ?? [];
  if (tag !== 'set') return [decodeAtom(where, atom, wire)];
  const elements = asArray(content);
  if (elements === undefined) throw malformed(where, wire, 'is not a set');
  return elements.map((element) => decodeAtom(where, atom, element));
};

const decodeMap = (where: string, key: AtomName, atom: AtomName, wire: unknown): ReadonlyMap<Atom, Atom> => {
  const [tag, content] = asArray(wire) ?? [];
  const entries = tag === 'map' ? asArray(content) : undefined;
  if (entries === undefined) throw malformed(where, wire, 'is not a map');
  const map = new Map<Atom, Atom>();
  for (const entry of entries) {
    const [name, value, ...rest] = asArray(entry) ?? [];
    if (rest.length > 0) throw malformed(where, entry, 'is not a pair');
    map.set(decodeAtom(where, key, name), decodeAtom(where, atom, value));
  }
  return map;
};

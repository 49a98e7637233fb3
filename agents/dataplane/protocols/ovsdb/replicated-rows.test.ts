import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { map, optional, type Row, scalar, set, type Table, table } from './column.ts';
import { encodeValue } from './encode-value.ts';
import { ReplicatedRows, type RowChange } from './replicated-rows.ts';
import { arbitraryUuid, arbitraryValue } from './testing/arbitrary.ts';
import { differenceOf } from './testing/difference.ts';
import type { Uuid } from './uuid.ts';
import { defaultOf, sameValue, type Value } from './value.ts';
import type { JsonObject } from './wire.ts';

const Thing = table('Thing', {
  name: scalar('string'),
  count: scalar('integer'),
  tag: optional('integer'),
  parts: set('uuid'),
  notes: map('string', 'string'),
});
const Other = table('Other', { on: scalar('boolean') });
const tables = [Thing, Other] as const;
type AnyTable = (typeof tables)[number];

type AnyRow = Readonly<Record<string, Value>>;
/** By table, then by UUID. */
type State = ReadonlyMap<string, ReadonlyMap<Uuid, AnyRow>>;

const arbitraryRow = (of: Table): fc.Arbitrary<AnyRow> =>
  fc.record(
    Object.fromEntries(
      Object.entries(of.columns).map(([name, column]) => [
        name,
        fc.oneof(fc.constant(defaultOf(column)), arbitraryValue(column)),
      ]),
    ),
    { noNullPrototype: true },
  );

const arbitraryState: fc.Arbitrary<State> = fc
  .tuple(
    ...tables.map((of) =>
      fc
        .uniqueArray(fc.tuple(arbitraryUuid, arbitraryRow(of)), { selector: ([uuid]) => uuid, maxLength: 8 })
        .map((rows) => [of.name, new Map(rows)] as const),
    ),
  )
  .map((entries) => new Map(entries));

const rowsIn = (state: State, of: Table): ReadonlyMap<Uuid, AnyRow> => state.get(of.name) ?? new Map<Uuid, AnyRow>();

/** What ovsdb-server says of a whole row: nothing about defaults. */
const wireRow = (of: Table, row: AnyRow): JsonObject =>
  Object.fromEntries(
    Object.entries(of.columns)
      .filter(([name, column]) => !sameValue(row[name], defaultOf(column)))
      .map(([name, column]) => [name, encodeValue(name, column, row[name])]),
  );

const wireModify = (of: Table, before: AnyRow, after: AnyRow): JsonObject =>
  Object.fromEntries(
    Object.entries(of.columns)
      .filter(([name]) => !sameValue(before[name], after[name]))
      .map(([name, column]) => [name, encodeValue(name, column, differenceOf(column, before[name], after[name]))]),
  );

/** What ovsdb-server says of all there is. */
const dumpOf = (state: State): JsonObject =>
  Object.fromEntries(
    tables.map((of) => [
      of.name,
      Object.fromEntries([...rowsIn(state, of)].map(([uuid, row]) => [uuid, { initial: wireRow(of, row) }])),
    ]),
  );

/** What ovsdb-server says of a transaction that led from one state to the other. */
const updateOf = (from: State, to: State): JsonObject =>
  Object.fromEntries(
    tables.map((of) => {
      const [old, now] = [rowsIn(from, of), rowsIn(to, of)];
      const updates = new Map<string, JsonObject>();
      for (const uuid of old.keys()) if (!now.has(uuid)) updates.set(uuid, { delete: null });
      for (const [uuid, row] of now) {
        const before = old.get(uuid);
        if (before === undefined) updates.set(uuid, { insert: wireRow(of, row) });
        else if (!sameContent(before, row)) updates.set(uuid, { modify: wireModify(of, before, row) });
      }
      return [of.name, Object.fromEntries(updates)];
    }),
  );

const sameContent = (a: AnyRow, b: AnyRow): boolean => Object.keys(a).every((name) => sameValue(a[name], b[name]));

/** What a listener must hear when one state follows the other. */
const changesBetween = (from: State, to: State): readonly unknown[] =>
  tables.flatMap((of) => {
    const [old, now] = [rowsIn(from, of), rowsIn(to, of)];
    return [...new Set([...old.keys(), ...now.keys()])].flatMap((uuid) => {
      const [before, after] = [old.get(uuid), now.get(uuid)];
      if (before !== undefined && after !== undefined && sameContent(before, after)) return [];
      return [{ table: of.name, uuid, before, after }];
    });
  });

const inOrder = (changes: readonly unknown[]): readonly unknown[] =>
  [...(changes as readonly RowChange<AnyTable>[])].sort((a, b) =>
    `${a.table} ${a.uuid}` < `${b.table} ${b.uuid}` ? -1 : 1,
  );

test('follows any history, by updates and by dumps, and tells exactly what changed', () => {
  const history = fc.array(fc.tuple(fc.boolean(), arbitraryState), { maxLength: 6 });
  fc.assert(
    fc.property(history, (steps) => {
      const copy = new ReplicatedRows<AnyTable>(tables);
      let now: State = new Map();
      for (const [dump, next] of steps) {
        const told = dump ? copy.replace(dumpOf(next)) : copy.update(updateOf(now, next));
        expect(inOrder(told)).toEqual(inOrder(changesBetween(now, next)));
        for (const of of tables) expect(copy.of(of)).toEqual(rowsIn(next, of));
        for (const { before, after } of told) {
          for (const name of Object.keys(before ?? {})) {
            const [old, value] = [before, after].map((row) => (row as AnyRow | undefined)?.[name]);
            if (after !== undefined && sameValue(old, value)) expect(value).toBe(old);
          }
        }
        now = next;
      }
    }),
  );
});

describe('what cannot be understood', () => {
  const uuid = '00000000-0000-4000-8000-000000000001' as Uuid;
  const good = { '00000000-0000-4000-8000-000000000002': { insert: { name: 'new' } } };

  test.each<[string, unknown, string]>([
    ['no object', [], 'table updates: [] is not an object'],
    ['a table of nothing', { Thing: null }, 'an update of Thing: null is not an object'],
    ['no UUID', { Thing: { ...good, x: { delete: null } } }, '"x" is not a UUID'],
    ['no kind of update', { Thing: { ...good, [uuid]: { replace: {} } } }, 'is of no known kind'],
    [
      'a change of an unknown row',
      { Thing: { ...good, '00000000-0000-4000-8000-000000000003': { modify: {} } } },
      'is of a row never heard of',
    ],
    [
      'a value of another type',
      { Thing: { ...good, [uuid]: { modify: { tag: 'x' } } } },
      'Thing.tag: "x" is not of type',
    ],
    ['no row', { Thing: { ...good, [uuid]: { insert: 7 } } }, 'a row of Thing: 7 is not an object'],
  ])('is refused and changes nothing: %s', (_, updates, words) => {
    const copy = new ReplicatedRows<AnyTable>(tables);
    copy.replace({ Thing: { [uuid]: { initial: { name: 'old' } } } });
    const before = new Map<Uuid, Row<typeof Thing>>(copy.of(Thing));
    expect(() => copy.update(updates)).toThrow(words);
    expect(() => copy.replace(updates)).toThrow('ovsdb-server sent ');
    expect(copy.of(Thing)).toEqual(before);
  });
});

test('what is not copied is passed over: other tables, other columns, the end of a row never heard of', () => {
  const copy = new ReplicatedRows<AnyTable>(tables);
  const uuid = '00000000-0000-4000-8000-000000000001' as Uuid;
  expect(copy.update({ Unknown: { x: 1 }, Thing: { [uuid]: { delete: null } } })).toEqual([]);
  expect(copy.update({ Thing: { [uuid]: { insert: { colour: 'red' } } } })).toHaveLength(1);
  expect(copy.update({ Thing: { [uuid]: { modify: { colour: 'blue' } } } })).toEqual([]);
  expect([...copy.of(Thing).keys()]).toEqual([uuid]);
});

import { describe, expect, expectTypeOf, test } from 'vitest';
import { map, optional, scalar, set, table } from './column.ts';
import { encodeOperation } from './encode-operation.ts';
import {
  comment,
  insert,
  mutate,
  type Operation,
  remove,
  type ResultsOf,
  select,
  type SelectedRow,
  update,
  wait,
} from './operation.ts';
import { readResults, refusal } from './reply.ts';
import { namedUuid, type Uuid } from './uuid.ts';

const Thing = table('Thing', {
  name: scalar('string'),
  count: scalar('integer'),
  tag: optional('integer'),
  parts: set('uuid'),
  notes: map('string', 'string'),
});
const uuid = '550e8400-e29b-41d4-a716-446655440000' as Uuid;
const one = ['_uuid', '==', uuid] as const;
const oneOnWire = ['_uuid', '==', ['uuid', uuid]];

test.each<[Operation, unknown]>([
  [insert(Thing, {}), { op: 'insert', table: 'Thing', row: {} }],
  [
    insert(Thing, { name: 'a', tag: 3, parts: [uuid, namedUuid('b')] }, 'x'),
    {
      op: 'insert',
      table: 'Thing',
      row: {
        name: 'a',
        tag: 3,
        parts: [
          'set',
          [
            ['uuid', uuid],
            ['named-uuid', 'b'],
          ],
        ],
      },
      'uuid-name': 'x',
    },
  ],
  [
    update(Thing, [one, ['tag', '!=', undefined]], { tag: undefined, notes: new Map([['k', 'v']]) }),
    {
      op: 'update',
      table: 'Thing',
      where: [oneOnWire, ['tag', '!=', ['set', []]]],
      row: { tag: ['set', []], notes: ['map', [['k', 'v']]] },
    },
  ],
  [
    mutate(
      Thing,
      [['notes', 'includes', new Map([['k', 'v']])]],
      [
        ['count', '+=', 1],
        ['notes', 'delete', ['a', 'b']],
        ['notes', 'delete', new Map([['c', 'd']])],
        ['notes', 'insert', new Map([['a', '1']])],
        ['parts', 'delete', [uuid]],
      ],
    ),
    {
      op: 'mutate',
      table: 'Thing',
      where: [['notes', 'includes', ['map', [['k', 'v']]]]],
      mutations: [
        ['count', '+=', 1],
        ['notes', 'delete', ['set', ['a', 'b']]],
        ['notes', 'delete', ['map', [['c', 'd']]]],
        ['notes', 'insert', ['map', [['a', '1']]]],
        ['parts', 'delete', ['set', [['uuid', uuid]]]],
      ],
    },
  ],
  [remove(Thing, []), { op: 'delete', table: 'Thing', where: [] }],
  [
    select(Thing, [['name', '==', 'a']], ['tag', 'notes']),
    { op: 'select', table: 'Thing', where: [['name', '==', 'a']], columns: ['_uuid', 'tag', 'notes'] },
  ],
  [
    wait(Thing, [one], ['name'], '==', [{ name: 'a' }]),
    {
      op: 'wait',
      table: 'Thing',
      where: [oneOnWire],
      columns: ['name'],
      until: '==',
      rows: [{ name: 'a' }],
      timeout: 0,
    },
  ],
  [comment('why'), { op: 'comment', comment: 'why' }],
])('%j is written as RFC 7047 §5.2 has it', (operation, wire) => {
  expect(encodeOperation(operation)).toEqual(wire);
});

test('what cannot be sent is refused by table, column and value', () => {
  expect(() => encodeOperation(insert(Thing, { count: 0.5 }))).toThrow('Thing.count: 0.5 is not of type integer');
  expect(() => encodeOperation(insert(Thing, {}, 'a-b'))).toThrow('uuid-name: "a-b" ');
  expect(() => encodeOperation(insert({ ...Thing }, { colour: 'red' } as object))).toThrow(
    'Thing: "colour" is no column',
  );
  expect(() => encodeOperation(insert(Thing, { toString: 'x' } as object))).toThrow('Thing: "toString" is no column');
  expect(() => encodeOperation(update(Thing, [], { parts: [namedUuid('a'), { namedUuid: 'b c' }] }))).toThrow(
    'Thing.parts: ',
  );
});

test('columns and what they take are known to the compiler', () => {
  const wrong = [
    // @ts-expect-error -- no text
    insert(Thing, { name: 3 }),
    // @ts-expect-error -- no such column
    update(Thing, [], { colour: 'red' }),
    // @ts-expect-error -- nothing can be taken out of a text
    mutate(Thing, [], [['name', 'delete', ['a']]]),
    // @ts-expect-error -- text is no UUID until it has been read
    remove(Thing, [['_uuid', '==', 'x']]),
  ];
  for (const operation of wrong) expect(() => encodeOperation(operation)).toThrow('Thing');
});

describe('results', () => {
  const operations = [
    insert(Thing, {}),
    mutate(Thing, [], []),
    comment('x'),
    select(Thing, [], ['name', 'tag']),
  ] as const;
  const rows = [{ _uuid: ['uuid', uuid], name: 'a', tag: ['set', []] }];
  const good = [{ uuid: ['uuid', uuid] }, { count: 3 }, {}, { rows }];

  test('are typed by their operations', () => {
    expect(readResults(operations, good)).toEqual([uuid, 3, undefined, [{ uuid, row: { name: 'a', tag: undefined } }]]);
    expectTypeOf<ResultsOf<typeof operations>>().toEqualTypeOf<
      readonly [Uuid, number, undefined, readonly SelectedRow<typeof Thing, 'name' | 'tag'>[]]
    >();
  });

  test('name the operation that failed, though others had been done before it', () => {
    const refused = { error: 'constraint violation', details: '3 is too much', syntax: '3' };
    expect(() => readResults(operations, [good[0], refused, null, null])).toThrow(
      'OVSDB: mutate Thing: constraint violation: 3 is too much: 3',
    );
    expect(() => readResults(operations, [...good, { error: 'referential integrity violation' }])).toThrow(
      'OVSDB: commit of insert into Thing, mutate Thing, comment, select from Thing: referential integrity violation',
    );
  });

  test.each([
    [undefined],
    [{}],
    [good.slice(1)],
    [good.slice(0, 3)],
    [[...good, {}]],
    [[{}, ...good.slice(1)]],
    [[good[0], { count: 'x' }, ...good.slice(2)]],
    [[...good.slice(0, 3), { rows: {} }]],
    [[...good.slice(0, 3), { rows: [{ name: 'no uuid' }] }]],
    [[...good.slice(0, 3), { rows: [{ _uuid: ['uuid', uuid], name: 'no tag' }] }]],
  ])('that are not those of the operations are refused: %j', (result) => {
    expect(() => readResults(operations, result)).toThrow('ovsdb-server sent ');
  });

  test.each([
    [{ error: 'referential integrity violation' }, 'precondition', 'OVSDB_CONSTRAINT'],
    [{ error: 'timed out' }, 'conflict', 'OVSDB_CONFLICT'],
    [{ error: 'resources exhausted' }, 'exhausted', 'OVSDB_EXHAUSTED'],
    [{ error: 'permission error' }, 'denied', 'OVSDB_DENIED'],
    [{ error: 'I/O error' }, 'unavailable', 'OVSDB_UNAVAILABLE'],
    [{ error: 'syntax error' }, 'internal', 'OVSDB_REFUSED'],
    ['unknown method', 'internal', 'OVSDB_REFUSED'],
    [[1], 'internal', 'OVSDB_REFUSED'],
  ])('that say %j tell the caller what to do', (error, code, reason) => {
    expect(refusal('transact', error)).toMatchObject({ code, reason });
  });
});

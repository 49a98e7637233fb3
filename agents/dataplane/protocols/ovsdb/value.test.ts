import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Column, map, optional, scalar, set } from './column.ts';
import { decodeValue } from './decode-value.ts';
import { encodeValue } from './encode-value.ts';
import { arbitraryColumn, arbitraryValue } from './testing/arbitrary.ts';
import { differenceOf } from './testing/difference.ts';
import { namedUuid } from './uuid.ts';
import { applyDifference, defaultOf, sameValue } from './value.ts';

const columnWith = (count: number) =>
  arbitraryColumn.chain((column) =>
    fc.tuple(fc.constant(column), fc.array(arbitraryValue(column), { minLength: count, maxLength: count })),
  );

const UUID = '550e8400-e29b-41d4-a716-446655440000';

describe('a value', () => {
  test('comes back from the wire as it went', () => {
    fc.assert(
      fc.property(columnWith(1), ([column, [value]]) => {
        const wire: unknown = JSON.parse(JSON.stringify(encodeValue('t.c', column, value)));
        expect(decodeValue('t.c', column, wire)).toEqual(value);
      }),
    );
  });

  test.each<[Column, unknown, unknown]>([
    [scalar('uuid'), ['uuid', UUID], UUID],
    [set('string'), 'alone', ['alone']],
    [set('string'), ['set', ['b', 'a']], ['a', 'b']],
    [set('uuid'), ['uuid', UUID], [UUID]],
    [set('integer'), ['set', [10, 9]], [9, 10]],
    [optional('integer'), ['set', []], undefined],
    [optional('integer'), ['set', [3]], 3],
    [optional('uuid'), ['uuid', UUID], UUID],
    [map('integer', 'uuid'), ['map', [[0, ['uuid', UUID]]]], new Map([[0, UUID]])],
  ])('of %j is read from %j', (column, wire, value) => {
    expect(decodeValue('t.c', column, wire)).toEqual(value);
  });

  test('may refer to a row of the same transaction', () => {
    expect(encodeValue('Bridge.ports', set('uuid'), [namedUuid('port'), UUID])).toEqual([
      'set',
      [
        ['named-uuid', 'port'],
        ['uuid', UUID],
      ],
    ]);
    expect(() => namedUuid('9to5')).toThrow('uuid-name: "9to5" must be letters, digits and _, no digit first');
  });

  test.each<[Column, unknown, string]>([
    [scalar('integer'), 1.5, 'is not of type integer'],
    [scalar('integer'), 2 ** 53, 'is not of type integer'],
    [scalar('real'), Infinity, 'is not of type real'],
    [scalar('string'), 'a\0b', 'must be Unicode text without NUL'],
    [scalar('string'), '\uD800', 'must be Unicode text without NUL'],
    [scalar('uuid'), 'nobody', 'is not of type uuid'],
    [scalar('uuid'), { namedUuid: 'a b' }, 'is not of type uuid'],
    [set('string'), 'alone', 'is not an array'],
    [map('string', 'string'), { a: 'b' }, 'is not a Map'],
  ])('of %j cannot be %j', (column, value, rule) => {
    expect(() => encodeValue('Port.name', column, value)).toThrow(rule);
    expect(() => encodeValue('Port.name', column, value)).toThrow(/^Port\.name: /);
  });

  test('is refused, and said which, when it is not of the column’s type', () => {
    expect(() => decodeValue('Port.tag', optional('integer'), ['set', [1, 2]])).toThrow(
      'ovsdb-server sent Port.tag: ["set",[1,2]] has more than one value',
    );
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.tuple(fc.constantFrom('set', 'map', 'uuid', 'named-uuid'), fc.jsonValue({ maxDepth: 3 })),
    );
    fc.assert(
      fc.property(arbitraryColumn, anything, (column, wire) => {
        try {
          decodeValue('t.c', column, wire);
        } catch (error) {
          expect(error).toMatchObject({ code: 'internal', reason: 'OVSDB_MALFORMED' });
        }
      }),
    );
  });
});

describe('a difference', () => {
  test('leads from one value to the other', () => {
    fc.assert(
      fc.property(columnWith(2), ([column, [before, after]]) => {
        expect(applyDifference(column, before, differenceOf(column, before, after))).toEqual(after);
      }),
    );
  });

  test('of one value to the next is none for the same value only', () => {
    fc.assert(
      fc.property(columnWith(2), ([column, [before, after]]) => {
        const wire: unknown = JSON.parse(JSON.stringify(encodeValue('t.c', column, before)));
        expect(sameValue(before, decodeValue('t.c', column, wire))).toBe(true);
        const same = JSON.stringify(encodeValue('', column, before)) === JSON.stringify(encodeValue('', column, after));
        if (column.shape !== 'map') expect(sameValue(before, after)).toBe(same);
        else if (same) expect(sameValue(before, after)).toBe(true);
      }),
    );
  });
});

test('the defaults are those of RFC 7047 §5.2.1', () => {
  expect(
    [
      scalar('string'),
      scalar('integer'),
      scalar('boolean'),
      optional('string'),
      set('uuid'),
      map('string', 'string'),
    ].map(defaultOf),
  ).toEqual(['', 0, false, undefined, [], new Map()]);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { JsonSplitter } from './json-splitter.ts';

const LIMIT = 1 << 20;

/** What comes out of a stream that comes in these chunks, and what it ends with. */
const split = (
  chunks: readonly Uint8Array[],
  limit = LIMIT,
): { readonly texts: string[]; readonly error?: unknown } => {
  const texts: string[] = [];
  const splitter = new JsonSplitter((text) => texts.push(text), limit);
  try {
    for (const chunk of chunks) splitter.push(Buffer.from(chunk));
  } catch (error) {
    return { texts, error };
  }
  return { texts };
};

const cutAt = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
};

const messages = fc.array(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { noNullPrototype: true }));
const places = fc.array(fc.nat());

test('gives each object of a stream back as it was, wherever the stream is cut', () => {
  fc.assert(
    fc.property(messages, places, fc.stringMatching(/^[ \t\r\n]{0,3}$/), (objects, cuts, between) => {
      const sent = objects.map((object) => JSON.stringify(object));
      const { texts, error } = split(cutAt(Buffer.from(between + sent.join(between) + between), cuts));
      expect(error).toBeUndefined();
      expect(texts).toEqual(sent);
    }),
  );
});

test('takes quotes, escapes and brackets within text for text', () => {
  const awkward = ['{"a":"}"}', '{"\\\\":"\\"{"}', '{"a":["]",{"b":"\\\\\\""}]}', '{}', '{ "é": "😀\\u0000" }'];
  for (const pieces of [1, 2, 3, 7, 1_000]) {
    const bytes = Buffer.from(awkward.join(''));
    const chunks = Array.from({ length: Math.ceil(bytes.length / pieces) }, (_, n) =>
      bytes.subarray(n * pieces, (n + 1) * pieces),
    );
    expect(split(chunks)).toEqual({ texts: awkward });
  }
});

test('goes on up to what cannot be an object, and says what that was', () => {
  for (const [text, shown] of [
    ['{"a":1} [2]', '[2]'],
    ['{"a":1}}{}', '}{}'],
    ['{"a":1}null', 'null'],
    ['{"a":1}\u{feff}{}', 'ï»¿{}'],
  ] as const) {
    const { texts, error } = split([Buffer.from(text)]);
    expect(texts).toEqual(['{"a":1}']);
    expect(error).toMatchObject({ code: 'internal', reason: 'OVSDB_MALFORMED' });
    expect((error as Error).message).toContain(JSON.stringify(shown));
  }
});

test('fails over garbage in one way only', () => {
  const pieces = fc.oneof(
    fc.uint8Array(),
    fc.stringMatching(/^[{}[\]"\\ a]{0,20}$/).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(pieces), (chunks) => {
      const { texts, error } = split(chunks, 64);
      if (error !== undefined) expect(error).toBeInstanceOf(DomainError);
      for (const text of texts) expect(text).toMatch(/^\{[^]*[}\]]$/);
    }),
  );
});

test('takes no more than its limit, however it comes', () => {
  const object = Buffer.from(JSON.stringify({ a: 'x'.repeat(92) }));
  expect(object).toHaveLength(100);
  fc.assert(
    fc.property(places, (cuts) => {
      expect(split(cutAt(object, cuts), 100).texts).toHaveLength(1);
      expect(split(cutAt(Buffer.concat([object, object]), cuts), 100).texts).toHaveLength(2);
      expect(split(cutAt(object, cuts), 99)).toMatchObject({ texts: [], error: { reason: 'OVSDB_MALFORMED' } });
    }),
  );
  expect(split([object.subarray(0, 99)], 98)).toMatchObject({ error: { reason: 'OVSDB_MALFORMED' } });
});

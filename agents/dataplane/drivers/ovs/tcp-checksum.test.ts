import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bigIntToIp } from '#platform/net/ip-address.ts';
import { judgeTcp } from './tcp-checksum.ts';
import { PARTIAL_SYN, RIGHT_SYN } from './testing/segments.ts';

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

const MACS = PARTIAL_SYN.slice(0, 24);

test('frames of Linux are seen through', () => {
  expect(judgeTcp(octets(PARTIAL_SYN))).toEqual({
    source: '10.9.0.1',
    destination: '10.9.0.2',
    sourcePort: 38_836,
    destinationPort: 81,
    seen: 0x1443,
    right: 0x62b6,
    verdict: 'partial',
  });
  expect(judgeTcp(octets(RIGHT_SYN))).toMatchObject({
    seen: 0x7d37,
    right: 0x7d37,
    verdict: 'right',
  });
});

/** Octets in network byte order. */
const number = (value: bigint, bytes: number): Uint8Array =>
  octets(value.toString(16).padStart(bytes * 2, '0')).subarray(-bytes);
const u8 = (value: number): Uint8Array => number(BigInt(value), 1);
const u16 = (value: number): Uint8Array => number(BigInt(value), 2);
const join = (...pieces: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(pieces));

/** Ones' complement sum as RFC 1071 has it, with all carries: the remainder of the whole as one large number. */
const internetSum = (bytes: Uint8Array): number => {
  const even = join(bytes, new Uint8Array(bytes.length % 2));
  const total = even.length === 0 ? 0n : BigInt(`0x${Buffer.from(even).toString('hex')}`);
  const rest = Number(total % 0xffffn);
  return rest === 0 && total > 0n ? 0xffff : rest;
};

interface Packet {
  readonly frame: Uint8Array;
  readonly right: number;
  readonly partial: number;
  readonly source: string;
  /** Where the segment stands. */
  readonly at: number;
  readonly segment: number;
}

const bytes = (length: { readonly minLength: number; readonly maxLength: number }): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array(length);
const fixed = (length: number): fc.Arbitrary<Uint8Array> => bytes({ minLength: length, maxLength: length });

/** Extension headers of IPv6 that may stand before TCP. */
const extension = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 60), fc.nat(3))
    .chain(([type, words]) =>
      fixed(6 + 8 * words).map((rest) => ({ type, of: (next: number) => join(u8(next), u8(words), rest) })),
    ),
  fixed(4).map((rest) => ({ type: 43, of: (next: number) => join(u8(next), octets('000000'), rest) })),
  fixed(4).map((rest) => ({ type: 44, of: (next: number) => join(u8(next), octets('000000'), rest) })),
);

const packet: fc.Arbitrary<(checksum: 'right' | 'partial' | number) => Packet> = fc
  .record({
    version: fc.constantFrom(4, 6),
    macs: fixed(12),
    tags: fc.array(fc.tuple(fc.constantFrom(0x8100, 0x88a8), fc.nat(0xffff)), { maxLength: 2 }),
    addresses: fixed(32),
    ports: fixed(12),
    rest: fixed(4),
    urgent: fixed(2),
    more: bytes({ minLength: 0, maxLength: 60 }),
    options: fc.nat(10),
    extensions: fc.array(extension, { maxLength: 3 }),
    padding: bytes({ minLength: 0, maxLength: 20 }),
  })
  .map(({ version, macs, tags, addresses, ports, rest, urgent, more, options, extensions, padding }) => (checksum) => {
    const known = version === 4 ? addresses.subarray(0, 8) : addresses;
    const segmentWith = (value: number): Uint8Array => join(ports, rest, u16(value), urgent, more);
    const length = segmentWith(0).length;
    const pseudo = join(known, number(BigInt(length), 4), number(6n, 4));
    const right = ~internetSum(join(pseudo, segmentWith(0))) & 0xffff;
    const partial = internetSum(pseudo);
    const tcp = segmentWith(checksum === 'right' ? right : checksum === 'partial' ? partial : checksum);
    const chain = extensions.map(({ of }, index) => of(extensions[index + 1]?.type ?? 6));
    const between = join(...chain);
    const header =
      version === 4
        ? join(
            ...[u8(0x45 + options), u8(0), u16(20 + 4 * options + length), octets('00014000ff060000'), known],
            new Uint8Array(4 * options),
          )
        : join(octets('60000000'), u16(between.length + length), u8(extensions[0]?.type ?? 6), u8(255), known);
    const vlan = tags.map(([type, tag]) => join(u16(type), u16(tag)));
    const before = join(macs, ...vlan, u16(version === 4 ? 0x0800 : 0x86dd), header, ...(version === 6 ? chain : []));
    const half = known.subarray(0, known.length / 2);
    const source = bigIntToIp(version, BigInt(`0x${Buffer.from(half).toString('hex')}`));
    return { frame: join(before, tcp, padding), right, partial, source, at: before.length, segment: length };
  });

const same = (a: number, b: number): boolean => a % 0xffff === b % 0xffff;

test('of any segment it is told whether its checksum is right, partial or wrong', () => {
  fc.assert(
    fc.property(packet, fc.nat(0xffff), (make, other) => {
      const { right, partial, source, frame } = make('right');
      expect(judgeTcp(frame)).toMatchObject({ verdict: 'right', source, right, seen: right });
      if (!same(right, partial)) {
        expect(judgeTcp(make('partial').frame)).toMatchObject({ verdict: 'partial', right, seen: partial });
      }
      if (!same(other, right) && !same(other, partial)) {
        expect(judgeTcp(make(other).frame)).toMatchObject({ verdict: 'wrong', right, seen: other });
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a frame that is cut off, or whose segment is, says nothing', () => {
  fc.assert(
    fc.property(packet, fc.nat(), (make, cut) => {
      const { frame, at, segment } = make('right');
      expect(judgeTcp(frame.subarray(0, cut % (at + segment)))).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
});

test('an octet that is changed on the way is found', () => {
  fc.assert(
    fc.property(packet, fc.nat(), fc.integer({ min: 1, max: 254 }), (make, where, by) => {
      const { frame, at, segment } = make('right');
      const place = at + (where % segment);
      frame[place] = (frame[place] ?? 0) ^ by;
      expect(judgeTcp(frame)?.verdict).not.toBe('right');
    }),
  );
});

test.each([
  ['no octets', ''],
  ['ARP', `ffffffffffff9e03ff0a86a80806${'00'.repeat(28)}`],
  ['UDP', `${MACS}08004500001c000040004011${'00'.repeat(20)}`],
  ['a first fragment', PARTIAL_SYN.replace('ee2b4000', 'ee2b2000')],
  ['a later fragment', PARTIAL_SYN.replace('ee2b4000', 'ee2b0001')],
  ['a header that is too short', PARTIAL_SYN.replace('4500', '4400')],
  ['a length less than the header', PARTIAL_SYN.replace('4500003c', '45000010')],
  ['a first fragment of IPv6', `${MACS}86dd60000000001c2cff${'00'.repeat(32)}06000001${'00'.repeat(24)}`],
  ['a way that is not at its end', `${MACS}86dd60000000001c2bff${'00'.repeat(32)}06000001${'00'.repeat(24)}`],
  ['IPv6 without a next header', `${MACS}86dd60000000001c3bff${'00'.repeat(32)}${'00'.repeat(28)}`],
])('%s says nothing', (_what, frame) => {
  expect(judgeTcp(octets(frame))).toBeUndefined();
});

test('nothing that comes is too much for it', () => {
  const start = fc.constantFrom('', `${MACS}0800`, `${MACS}86dd60000000`, `${MACS}080045000028000040004006`);
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 150 }), (known, rest) => {
      const frame = join(octets(known), rest);
      const judged = judgeTcp(frame);
      if (judged !== undefined) expect(['right', 'partial', 'wrong']).toContain(judged.verdict);
    }),
    { numRuns: 5_000 },
  );
});

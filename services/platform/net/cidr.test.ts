import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { contains, hostCidr, overlaps, parseCidr } from './cidr.ts';
import type { Cidr } from './cidr.ts';
import { bigIntToIp, parseIp } from './ip-address.ts';

const arbitraryCidr: fc.Arbitrary<Cidr> = fc
  .record({ prefixLength: fc.integer({ min: 0, max: 32 }), value: fc.bigInt(0n, 0xffff_ffffn) })
  .map(({ prefixLength, value }) => {
    const hostBits = BigInt(32 - prefixLength);
    return parseCidr('cidr', `${bigIntToIp(4, (value >> hostBits) << hostBits)}/${prefixLength.toString()}`);
  });

test('a prefix knows its bounds and its canonical text', () => {
  expect(parseCidr('cidr', '10.1.2.0/23')).toEqual({
    version: 4,
    network: '10.1.2.0',
    prefixLength: 23,
    first: 0x0a010200n,
    last: 0x0a0103ffn,
    text: '10.1.2.0/23',
  });
  expect(parseCidr('cidr', '2001:DB8:0:0::/64')).toMatchObject({
    version: 6,
    text: '2001:db8::/64',
    last: 0x20010db8_00000000_ffffffff_ffffffffn,
  });
});

test.each(['0.0.0.0/0', '::/0', '10.0.0.1/32', '::1/128'])('%s is a prefix', (text) => {
  expect(parseCidr('cidr', text).text).toBe(text);
});

test.each([
  ['10.0.0.7/24', 'did you mean 10.0.0.0/24?'],
  ['2001:db8::1/64', 'did you mean 2001:db8::/64?'],
  ['10.0.0.0/33', 'longer than the 32 bits of IPv4'],
  ['::/129', 'longer than the 128 bits of IPv6'],
  ['10.0.0.0', 'is not a CIDR'],
  ['10.0.0.0/', 'is not a CIDR'],
  ['10.0.0.0/024', 'is not a CIDR'],
  ['10.0.0.0/+8', 'is not a CIDR'],
  ['10.0.0.0/8/8', 'is not a CIDR'],
  ['10.0.0.0/1e1', 'is not a CIDR'],
  ['10.0.0/8', 'is not an IPv4 or IPv6 address'],
  ['/8', 'is not an IPv4 or IPv6 address'],
])('refuses %s: %s', (text, why) => {
  expect(() => parseCidr('subnet.cidr', text)).toThrow(why);
});

test('contains its first and last address and not their neighbours', () => {
  const cidr = parseCidr('cidr', '10.0.0.0/24');
  const within = (text: string): boolean => contains(cidr, parseIp('ip', text));
  expect(['10.0.0.0', '10.0.0.255'].map(within)).toEqual([true, true]);
  expect(['9.255.255.255', '10.0.1.0', '::a00:0'].map(within)).toEqual([false, false, false]);
});

test('two prefixes overlap exactly when one contains the other', () => {
  fc.assert(
    fc.property(arbitraryCidr, arbitraryCidr, (a, b) => {
      expect(overlaps(a, b)).toBe(contains(a, b.network) || contains(b, a.network));
      expect(overlaps(b, a)).toBe(overlaps(a, b));
      expect(overlaps(a, a)).toBe(true);
    }),
  );
  expect(overlaps(parseCidr('a', '0.0.0.0/0'), parseCidr('b', '::/0'))).toBe(false);
});

test('throws nothing but DomainError, and what it takes it takes again', () => {
  const cidrLike = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef:./ '.split('')) }),
    fc
      .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: -1, max: 130 }))
      .map(([ip, bits]) => `${ip}/${bits.toString()}`),
    fc.string(),
  );
  fc.assert(
    fc.property(cidrLike, (text) => {
      try {
        const cidr = parseCidr('cidr', text);
        expect(parseCidr('cidr', cidr.text)).toEqual(cidr);
      } catch (error) {
        expect(error).toBeInstanceOf(DomainError);
      }
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ['10.0.0.1', '10.0.0.1/32'],
  ['2001:db8::1', '2001:db8::1/128'],
])('the prefix of %s alone', (ip, text) => {
  expect(hostCidr(parseIp('ip', ip))).toEqual(parseCidr('cidr', text));
});

import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { bigIntToIp, ipToBigInt, ipVersion, parseIp, parseUnicastIp } from './ip-address.ts';

const v4Mapped = (value: bigint): boolean => value >> 32n === 0xffffn;
const v6Number = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n))
  .filter((value) => !v4Mapped(value));

/** Near misses, which plain fuzz hardly ever makes. */
const addressLike = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%/ '.split('')), maxLength: 48 }),
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.string(),
);

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['2001:DB8::1', '2001:db8::1'],
  ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['0001::', '1::'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
])('reads %s as %s', (text, canonical) => {
  expect(parseIp('ip', text)).toBe(canonical);
});

test.each([
  ['', 'is not an IPv4 or IPv6 address'],
  ['1.2.3', 'is not'],
  ['1.2.3.4.5', 'is not'],
  ['1.2.3.256', 'is not'],
  ['01.2.3.4', 'is not'],
  ['1.2.3.', 'is not'],
  ['1..2.3', 'is not'],
  ['1.2.3.4 ', 'is not'],
  [':', 'is not'],
  [':::', 'is not'],
  ['1::2::3', 'is not'],
  ['1:2:3:4:5:6:7', 'is not'],
  ['1:2:3:4:5:6:7:8:', 'is not'],
  ['1:2:3:4:5:6:7:8::', 'is not'],
  ['::1.2.3.4:5', 'is not'],
  ['12345::', 'is not'],
  ['::1.2.3.04', 'is not'],
  ['fe80::1%eth0', 'zone id'],
  ['::ffff:10.0.0.1', 'IPv4-mapped'],
  ['0:0:0:0:0:FFFF:0a00:0001', 'IPv4-mapped'],
])('refuses %j, which %s', (text, why) => {
  expect(() => parseIp('ip', text)).toThrow(why);
});

test.each([
  ['0.0.0.0', 'unspecified'],
  ['::', 'unspecified'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['ff02::1', 'multicast'],
  ['255.255.255.255', 'broadcast'],
])('%s is no station, being %s', (text, why) => {
  expect(() => parseUnicastIp('ip', text)).toThrow(why);
});

test.each(['10.0.0.1', '223.255.255.255', '240.0.0.1', 'fe80::1', 'ff0::1', 'ff::'])('%s can be a station', (text) => {
  expect(parseUnicastIp('ip', text)).toBe(text);
});

test('agrees with node about what an address is, but for what is refused on purpose', () => {
  fc.assert(
    fc.property(addressLike, (text) => {
      let parsed: string | undefined;
      try {
        parsed = parseIp('ip', text);
      } catch (error) {
        expect(error).toBeInstanceOf(DomainError);
        expect(isIPv4(text)).toBe(false);
        if (isIPv6(text)) expect((error as Error).message).toMatch(/zone id|IPv4-mapped/);
        return;
      }
      expect(isIPv4(text) || isIPv6(text)).toBe(true);
      expect(parseIp('ip', parsed)).toBe(parsed);
    }),
    { numRuns: 2_000 },
  );
});

test('IPv4 goes to a number and back', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 0xffff_ffffn), (value) => {
      const ip = bigIntToIp(4, value);
      expect(ipVersion(ip)).toBe(4);
      expect(ipToBigInt(parseIp('ip', ip))).toBe(value);
    }),
  );
});

test('IPv6 goes to a number and back, in the form of the WHATWG URL serialiser, which is RFC 5952 too', () => {
  fc.assert(
    fc.property(v6Number, (value) => {
      const ip = bigIntToIp(6, value);
      expect(ipVersion(ip)).toBe(6);
      expect(ipToBigInt(parseIp('ip', ip))).toBe(value);
      expect(`[${ip}]`).toBe(new URL(`http://[${ip}]/`).hostname);
    }),
  );
});

test.each([
  [4, -1n],
  [4, 1n << 32n],
  [6, 1n << 128n],
  [6, 0xffff_0000_0001n],
] as const)('IPv%d has no address %d', (version, value) => {
  expect(() => bigIntToIp(version, value)).toThrow(DomainError);
});

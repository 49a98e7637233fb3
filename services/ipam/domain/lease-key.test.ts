import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bigIntToIp, parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { addressKey, isLeaseKey, keyAddress, keyMac, keySegment, macKey, segmentKey } from './lease-key.ts';
import { meetingOrder } from './leasing.ts';
import type { Want } from './leasing.ts';
import { randomMac } from './random-mac.ts';

const v4 = fc.bigInt(0n, 2n ** 32n - 1n).map((value) => ({ value, ip: bigIntToIp(4, value) }));
const v6 = fc.bigInt(2n ** 120n, 2n ** 128n - 1n).map((value) => ({ value, ip: bigIntToIp(6, value) }));

test.each([
  ['10.0.0.1', '40a000001'],
  ['2001:db8::1', '620010db8000000000000000000000001'],
])('%s is %s', (text, key) => {
  expect(addressKey(parseIp('ip', text))).toBe(key);
});

test('keys of addresses are read back, and stand in the order of the addresses', () => {
  fc.assert(
    fc.property(fc.oneof(fc.tuple(v4, v4), fc.tuple(v6, v6)), ([a, b]) => {
      const [one, two] = [addressKey(a.ip), addressKey(b.ip)];
      expect(keyAddress(one)).toBe(a.ip);
      expect(isLeaseKey(one)).toBe(true);
      expect(one < two).toBe(a.value < b.value);
    }),
  );
});

test('keys of MAC addresses and segments are read back', () => {
  const mac = parseMac('mac', 'fa:16:3e:0a:bc:01');
  expect(keyMac(macKey(mac))).toBe(mac);
  expect([1, 4_094, 16_777_215].map((id) => keySegment(segmentKey(id)))).toEqual([1, 4_094, 16_777_215]);
  expect(segmentKey(9) < segmentKey(10)).toBe(true);
});

test.each(['', '4', '40A000001', '40a00000', '5', 'm0011', 's1', '40a000001/x'])('%j is no key', (text) => {
  expect(isLeaseKey(text)).toBe(false);
});

test.each([
  [0, 'fa:16:3e:00:00:00'],
  [0.5, 'fa:16:3e:80:00:00'],
  [1 - Number.EPSILON, 'fa:16:3e:ff:ff:ff'],
])('random %d makes %s', (random, mac) => {
  expect(randomMac(() => random)).toBe(mac);
  expect(parseMac('mac', mac)).toBe(mac);
});

test('the choosy come first, then who asked first', () => {
  const key = segmentKey(1);
  const wants: readonly Want[] = [
    { kind: 'next', from: [0, 1, 2] },
    { kind: 'next', from: [1] },
    { kind: 'chosen', from: [2], key },
    { kind: 'next', from: [0, 1] },
    { kind: 'any', from: [0], keys: [key] },
  ];
  expect(meetingOrder(wants)).toEqual([2, 1, 4, 3, 0]);
});

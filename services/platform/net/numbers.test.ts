import { describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { overlayMtu, parseMtu } from './mtu.ts';
import { parseUdpPort } from './udp-port.ts';
import { parseVni } from './vni.ts';

describe.each([
  { name: 'VNI', parse: parseVni, min: 1, max: 16_777_215 },
  { name: 'UDP port', parse: parseUdpPort, min: 1, max: 65_535 },
  { name: 'MTU', parse: parseMtu, min: 68, max: 65_535 },
])('a $name', ({ parse, min, max }) => {
  test('has bounds, both included', () => {
    expect(parse('f', min)).toBe(min);
    expect(parse('f', max)).toBe(max);
    expect(() => parse('f', min - 1)).toThrow(`f: ${(min - 1).toString()} is not`);
    expect(() => parse('f', max + 1)).toThrow(DomainError);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 100.5, -100])('is not %d', (value) => {
    expect(() => parse('f', value)).toThrow(DomainError);
  });
});

describe('the MTU of an overlay', () => {
  const underlay = parseMtu('mtu', 1500);

  test('is what VXLAN leaves of the underlay', () => {
    expect(overlayMtu(underlay, 4)).toBe(1450);
    expect(overlayMtu(underlay, 6)).toBe(1430);
  });

  test('is the wish where it fits', () => {
    expect(overlayMtu(underlay, 4, parseMtu('mtu', 1400))).toBe(1400);
    expect(overlayMtu(underlay, 4, parseMtu('mtu', 1450))).toBe(1450);
  });

  test('that does not fit is an error naming both numbers', () => {
    expect(() => overlayMtu(underlay, 4, parseMtu('mtu', 1500))).toThrow(
      'an overlay MTU of 1500 needs an underlay MTU of 1550 over IPv4, but the underlay has 1500',
    );
    expect(() => overlayMtu(parseMtu('mtu', 100), 6)).toThrow(
      'an overlay MTU of 68 needs an underlay MTU of 138 over IPv6, but the underlay has 100',
    );
  });
});

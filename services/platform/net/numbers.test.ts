import { describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseMtu } from './mtu.ts';
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

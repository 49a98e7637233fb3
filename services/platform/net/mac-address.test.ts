import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { parseMac } from './mac-address.ts';

const octets = fc.uint8Array({ minLength: 6, maxLength: 6 });
const hex = (bytes: Uint8Array): string[] => [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));

test.each([
  ['fa:16:3e:00:00:01', 'fa:16:3e:00:00:01'],
  ['FA:16:3E:AB:CD:EF', 'fa:16:3e:ab:cd:ef'],
  ['FA-16-3e-ab-cd-ef', 'fa:16:3e:ab:cd:ef'],
])('reads %s as %s', (text, canonical) => {
  expect(parseMac('mac_address', text)).toBe(canonical);
});

test.each([
  ['', 'is not a MAC address'],
  ['fa:16:3e:00:00', 'is not a MAC address'],
  ['fa:16:3e:00:00:01\n', 'is not a MAC address'],
  ['fa:16-3e:00:00:01', 'is not a MAC address'],
  ['fa163e000001', 'is not a MAC address'],
  ['fa:16:3e:00:00:0g', 'is not a MAC address'],
  ['00:00:00:00:00:00', 'all-zero'],
  ['01:00:5e:00:00:01', 'multicast'],
  ['FF:FF:FF:FF:FF:FF', 'multicast or broadcast'],
])('refuses %j, which %s', (text, why) => {
  expect(() => parseMac('mac_address', text)).toThrow(why);
});

test('the field and the value stand in the violation', () => {
  try {
    parseMac('port.mac_address', 'nonsense');
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(DomainError);
    expect((error as DomainError).violations).toEqual([
      { field: 'port.mac_address', description: expect.stringContaining('"nonsense"') as string },
    ]);
  }
});

test('takes every unicast address in every writing to one form, and refuses every other', () => {
  fc.assert(
    fc.property(octets, fc.constantFrom(':', '-'), fc.boolean(), (bytes, separator, upper) => {
      const text = hex(bytes).join(separator);
      const parse = (): string => parseMac('f', upper ? text.toUpperCase() : text);
      const unicast = ((bytes[0] ?? 0) & 1) === 0 && bytes.some((byte) => byte !== 0);
      if (unicast) expect(parse()).toBe(hex(bytes).join(':'));
      else expect(parse).toThrow(DomainError);
    }),
  );
});

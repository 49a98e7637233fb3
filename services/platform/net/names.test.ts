import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import {
  bridgeName,
  parseDeviceName,
  parseHostId,
  parseLabels,
  parseName,
  parseUuid,
  tapName,
  vxlanName,
} from './names.ts';
import { parseVni } from './vni.ts';

describe('a device name', () => {
  test.each(['eth0', 'enp3s0f0np0', 'eth0.100', 'br-ex', 'tap12345678-90', 'a', 'bond0_slave.1'])(
    'may be %s',
    (name) => {
      expect(parseDeviceName('device', name)).toBe(name);
    },
  );

  test.each([
    '',
    '.',
    '..',
    'all',
    'default',
    'a/b',
    'a b',
    'a\tb',
    'a\nb',
    'eth0:1',
    'tap%d',
    '-force',
    'a#b',
    `a"b`,
    `a'b`,
    'a\\b',
    '1234567890123456',
    'é',
    'a\u00a0b',
    'a\u0000b',
    'a\u007f',
    '$(reboot)-longer-than-that',
  ])('is not %j', (name) => {
    expect(() => parseDeviceName('device', name)).toThrow(DomainError);
  });

  test('that is taken fits IFNAMSIZ and is one word of a batch line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        try {
          const name = parseDeviceName('device', text);
          expect(name).toBe(text);
          expect(Buffer.byteLength(name)).toBeLessThanOrEqual(15);
          expect(name).toMatch(/^[!-~]+$/);
          expect(name).not.toMatch(/["'\\#/:%]/);
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('derived from an id is a device name', () => {
    const id = parseUuid('id', '0f8fad5b-d9cb-469f-a165-70867728950e');
    expect(bridgeName(id)).toBe('brq0f8fad5b-d9');
    expect(tapName(id)).toBe('tap0f8fad5b-d9');
    expect(vxlanName(parseVni('vni', 16_777_215))).toBe('vxlan-16777215');
    for (const name of [bridgeName(id), tapName(id), vxlanName(parseVni('vni', 16_777_215))]) {
      expect(parseDeviceName('device', name)).toBe(name);
    }
  });
});

describe('a host id', () => {
  test.each(['a', 'h1', 'compute-01.rack_3.example', 'A'.repeat(63)])('may be %s', (id) => {
    expect(parseHostId('host_id', id)).toBe(id);
  });

  test.each(['', '.', '-a', 'a-', 'a.', 'a..b', 'a b', 'a/b', 'a*', 'a>', 'é', 'A'.repeat(64), 'a\n'])(
    'is not %j',
    (id) => {
      expect(() => parseHostId('host_id', id)).toThrow('host_id');
    },
  );
});

describe('a UUID', () => {
  test('is lower case whatever the case it came in', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.boolean(), (uuid, upper) => {
        expect(parseUuid('id', upper ? uuid.toUpperCase() : uuid)).toBe(uuid.toLowerCase());
      }),
    );
  });

  test.each([
    '',
    randomUUID().replaceAll('-', ''),
    `{${randomUUID()}}`,
    `${randomUUID()} `,
    randomUUID().replace('-', '_'),
  ])('is not %j', (text) => {
    expect(() => parseUuid('id', text)).toThrow('is not a UUID');
  });
});

describe('a name', () => {
  test.each(['', 'web tier', 'réseau', '🧵'.repeat(255), "Robert'); DROP"])('may be %j', (name) => {
    expect(parseName('name', name)).toBe(name);
  });

  test.each([
    ['a\nb', 'control'],
    ['\u001b[2J', 'control'],
    ['a\u2028b', 'control'],
    ['x'.repeat(256), 'longer than 255'],
    ['🧵'.repeat(256), 'longer than 255'],
    ['\ud800', 'well-formed'],
  ])('is not %j: %s', (name, why) => {
    expect(() => parseName('name', name)).toThrow(why);
  });
});

describe('labels', () => {
  test('have one form whatever the order they came in', () => {
    const labels = parseLabels('labels', { zone: 'b', 'example.com/rack': '', a: '1' });
    expect(JSON.stringify(labels)).toBe('{"a":"1","example.com/rack":"","zone":"b"}');
    expect(Object.isFrozen(labels)).toBe(true);
  });

  test.each([
    [{ '': 'x' }, 'labels: "" is not a label key'],
    [{ ['__proto__']: 'x' }, 'labels: "__proto__" is not a label key'],
    [{ 'a b': 'x' }, 'is not a label key'],
    [{ ['k'.repeat(64)]: 'x' }, 'is not a label key'],
    [{ rack: 'a\nb' }, 'labels[rack]'],
    [{ rack: 'v'.repeat(256) }, 'labels[rack]'],
    [Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`k${at.toString()}`, ''])), 'more than 64'],
  ])('are not %j', (labels, why) => {
    expect(() => parseLabels('labels', labels)).toThrow(why);
  });

  test('of any kind are taken whole or refused with a DomainError', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: 'binary' })), (labels) => {
        try {
          expect({ ...parseLabels('labels', labels) }).toEqual({ ...labels });
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
        }
      }),
    );
  });
});

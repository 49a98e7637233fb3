import { describe, expect, test } from 'vitest';
import { parseGuestName, parseLabHostName, parseLabName } from './names.ts';

describe('names', () => {
  test.each(['lab', 'a', 'demo-2', '0', 'abcdefghijkl'])('%s names a lab', (name) => {
    expect(parseLabName('name', name)).toBe(name);
  });

  test.each(['', '-a', 'a-', 'A', 'a.b', 'a b', '../x', 'a/b', 'abcdefghijklm', 'é', 'a\n', '$(id)', '-n'])(
    '%j names no lab',
    (name) => {
      expect(() => parseLabName('name', name)).toThrow('name');
    },
  );

  test.each(['underlay', 'control', 'vm-1'])('%s names no host, since it names a namespace of the lab', (name) => {
    expect(() => parseLabHostName('hosts', name)).toThrow('uses itself');
    expect(parseLabName('name', name)).toBe(name);
  });

  test('a guest may bear the id of its port', () => {
    expect(parseGuestName('name', '3f2a1b4c-0000-4000-8000-000000000001')).toHaveLength(36);
  });
});

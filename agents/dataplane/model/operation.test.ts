import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandOf } from './operation.ts';

test('a command is shown as a person would type it', () => {
  expect(commandOf({ argv: ['ip', 'link', 'set', 'dev', 'tap1', 'mtu', '1450'] })).toBe(
    'ip link set dev tap1 mtu 1450',
  );
  expect(commandOf({ argv: ['ovs-ofctl', 'add-flow', 'br-int', 'table=0 actions=set_field:1->reg0'] })).toBe(
    "ovs-ofctl add-flow br-int 'table=0 actions=set_field:1->reg0'",
  );
});

test('a shell takes a command as the words it was made of', () => {
  const word = fc.string({ unit: 'binary-ascii', minLength: 1 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (words) => {
      const line = commandOf({ argv: ['printf', '%s\\0', ...words] });
      const printed = execFileSync('sh', ['-c', line], { encoding: 'utf8' });
      expect(printed.split('\0').slice(0, -1)).toEqual(words.length === 0 ? [''] : words);
    }),
    { numRuns: 50 },
  );
});

import { expect, test } from 'vitest';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { HostCommands, jsonObjects, outputOf } from './command.ts';

const never = new AbortController().signal;
const commands = new HostCommands();

test('what a program said and how it ended is told', async () => {
  await using _ = leakCheck();
  expect(await commands.run(['cat'], never, { input: 'through and through' })).toEqual({
    status: 0,
    stdout: 'through and through',
    stderr: '',
  });
  expect((await commands.run(['ls', '/nowhere'], never)).status).toBe(2);
  // A language of the caller's would change what is read.
  expect(
    (await commands.run(['env'], never)).stdout
      .split('\n')
      .filter((line) => line !== '')
      .sort()[0],
  ).toBe('LC_ALL=C');
});

test('a program that must succeed and does not is named with its words', async () => {
  await expect(outputOf(commands, ['ls', '/nowhere'], never)).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringMatching(/^ls \/nowhere: exit status 2: .*No such file/) as string,
  });
});

test('a program that cannot be started, hangs, or is given up ends at once and leaves nothing', async () => {
  await using _ = leakCheck();
  await expect(commands.run(['/nowhere/at/all'], never)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(commands.run(['sleep', '60'], never, { deadlineMs: 20 })).rejects.toMatchObject({ code: 'deadline' });
  const abort = new AbortController();
  const given = commands.run(['sleep', '60'], abort.signal);
  abort.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
});

test('a program that does not read its input is told by its status', async () => {
  expect((await commands.run(['true'], never, { input: 'x'.repeat(1 << 20) })).status).toBe(0);
});

test('more programs than run at once wait for their turn', async () => {
  const started = performance.now();
  await Promise.all(Array.from({ length: 8 }, async () => commands.run(['sleep', '0.05'], never)));
  expect(performance.now() - started).toBeGreaterThan(99);
});

test('objects are read from as many arrays as there are lines; what is no JSON is an error that shows it', () => {
  expect(jsonObjects('ip', '[{"a":1},{"b":2}]\n\n[]\n[{"c":3},4]\n')).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
  expect(() => jsonObjects('ip', 'Error')).toThrow('ip printed "Error", which is not JSON');
});

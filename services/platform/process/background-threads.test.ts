import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const MODULE = new URL('./background-threads.ts', import.meta.url).href;
const PROGRAM = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { getPriority } from 'node:os';
  import { yieldToOthers } from ${JSON.stringify(MODULE)};
  const count = yieldToOthers();
  const threads = readdirSync('/proc/self/task').map((thread) =>
    [readFileSync('/proc/self/task/' + thread + '/comm', 'utf8').trim(), getPriority(Number(thread))]);
  console.log(JSON.stringify({ count, threads }));
`;

const run = async (...flags: readonly string[]): Promise<{ count: number; threads: [string, number][] }> => {
  const argv = [...flags, '--input-type=module', '--eval', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  return JSON.parse(stdout) as { count: number; threads: [string, number][] };
};

test('the threads that compile yield to others, and only they', async () => {
  const { count, threads } = await run('--single-threaded-gc');
  expect(count).toBeGreaterThan(0);
  const yielding = threads.filter(([, priority]) => priority === 19);
  expect(yielding).toHaveLength(count);
  expect(new Set(yielding.map(([name]) => name))).toEqual(new Set(['V8Worker']));
  expect(threads.filter(([, priority]) => priority !== 19).every(([name]) => name !== 'V8Worker')).toBe(true);
});

test('where garbage is collected on them nothing is changed: the main thread would wait for them', async () => {
  const { count, threads } = await run();
  expect(count).toBe(0);
  expect(threads.every(([, priority]) => priority !== 19)).toBe(true);
});

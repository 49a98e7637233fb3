import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labDown } from './down.ts';
import { labList } from './status.ts';
import { holdersOf, leftovers } from './testing/leftovers.ts';
import { labUp } from './up.ts';

const signal = new AbortController().signal;
const mark = '98002';
const maker = join(import.meta.dirname, 'testing', 'lab-maker.fixture.ts');

const down = async (): Promise<void> => {
  for (const lab of ['cr-a', 'cr-b', 'cr-c']) await labDown(lab, {}, signal);
};
// A run that was killed may have left them.
beforeAll(down);
afterAll(down);

/** Starts making a lab and lets its maker die by SIGKILL: itself after some progress, or from outside after some time. */
const makeAndDie = async (
  name: string,
  when: { readonly progress: number } | { readonly ms: number },
): Promise<void> => {
  const diesAt = 'progress' in when ? when.progress : 0;
  const child = spawn(process.execPath, [maker, name, mark, diesAt.toString()], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  if ('ms' in when) {
    await once(child, 'message');
    await new Promise((resolve) => setTimeout(resolve, when.ms));
    child.kill('SIGKILL');
  }
  await ended;
  expect(child.signalCode).toBe('SIGKILL');
};

const nothingIsLeft = async (name: string): Promise<void> => {
  expect([...leftovers(name, mark), ...holdersOf(name)]).toEqual([]);
  // Nor does anything come back.
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(leftovers(name, mark)).toEqual([]);
};

describe('labDown after the maker of a lab was killed', () => {
  // 3 hosts: namespaces 2, hosts 4, underlay 2, control plane 2, agents 4.
  test.each([1, 2, 4, 6, 7, 8, 10, 12, 14])('at its progress %i leaves nothing', async (progress) => {
    await makeAndDie('cr-a', { progress });
    expect(labList().map(({ name, state }) => [name, state])).toContainEqual(['cr-a', 'broken']);
    await expect(labUp({ name: 'cr-a', hosts: 1 }, signal)).rejects.toThrow('half made');
    await labDown('cr-a', {}, signal);
    await nothingIsLeft('cr-a');
  });

  test.each([0, 8, 16, 30, 50])('after %i ms, while its tools are at work, leaves nothing', async (ms) => {
    await makeAndDie('cr-b', { ms });
    await labDown('cr-b', {}, signal);
    await nothingIsLeft('cr-b');
  });

  test('lets the same lab be made again', async () => {
    await makeAndDie('cr-c', { progress: 9 });
    await labDown('cr-c', {}, signal);
    const lab = await labUp({ name: 'cr-c', hosts: 1 }, signal);
    expect(lab.hosts).toHaveLength(1);
    await labDown('cr-c', {}, signal);
    await nothingIsLeft('cr-c');
  });
});

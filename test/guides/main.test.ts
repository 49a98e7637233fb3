import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { guideNames } from './guides.ts';

const MAIN = path.join(import.meta.dirname, 'main.ts');

const guide = (...args: readonly string[]) =>
  spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: 20_000 });

test('lists the guides where none is named', async () => {
  const { status, stdout } = guide();
  expect(status).toBe(0);
  expect(stdout.match(/(?<=^make guide G=)\S+/gm)).toEqual(await guideNames());
});

test('names those that there are where an unknown one is asked for', async () => {
  const { status, stdout, stderr } = guide('../api');
  expect({ status, stdout, stderr }).toEqual({
    status: 2,
    stdout: '',
    stderr: `there is no guide "../api"; there are: ${(await guideNames()).join(', ')}\n`,
  });
});

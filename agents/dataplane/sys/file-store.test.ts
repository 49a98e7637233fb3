import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileStore } from './file-store.ts';

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'weft-files-'));
  directory = path.join(parent, 'deep', 'state');
});

afterEach(async () => {
  await rm(parent, { recursive: true });
});

test('what was written is read, in a directory and files for its user alone', async () => {
  const store = new FileStore(directory);
  expect(await store.read('a.json')).toBeUndefined();
  expect(await store.list()).toEqual([]);
  await store.write('b.json', 'second');
  await store.write('a.json', 'first');
  await store.write('a.json', 'first again');
  expect(await new FileStore(directory).list()).toEqual(['a.json', 'b.json']);
  expect(await new FileStore(directory).read('a.json')).toBe('first again');
  expect((await stat(directory)).mode & 0o777).toBe(0o711);
  expect((await stat(path.join(directory, 'a.json'))).mode & 0o777).toBe(0o600);
});

test('steps on one file keep their order without being waited for', async () => {
  const store = new FileStore(directory);
  const steps = [store.write('log', '0\n')];
  for (let n = 1; n < 50; n += 1) steps.push(store.append('log', `${n.toString()}\n`));
  await Promise.all(steps);
  expect(await store.read('log')).toBe(Array.from({ length: 50 }, (_, n) => `${n.toString()}\n`).join(''));
  await Promise.all([store.remove('log'), store.append('log', 'anew\n')]);
  expect(await store.read('log')).toBe('anew\n');
});

test('an unfinished write of an earlier run is neither listed nor in the way', async () => {
  const store = new FileStore(directory);
  await store.write('a.json', 'whole');
  await writeFile(path.join(directory, 'a.json.tmp'), 'hal');
  expect(await store.list()).toEqual(['a.json']);
  await store.write('a.json', 'whole again');
  expect(await readdir(directory)).toEqual(['a.json']);
});

test('removing what is not there does nothing, and a failed step fails no other', async () => {
  const store = new FileStore(directory);
  await store.remove('a.json');
  await writeFile(path.join(parent, 'file'), '');
  const lost = new FileStore(path.join(parent, 'file', 'below'));
  await expect(lost.write('a.json', '')).rejects.toMatchObject({ code: 'precondition' });
  await expect(lost.list()).rejects.toMatchObject({ code: 'precondition' });
  await rm(path.join(parent, 'file'));
  await lost.write('a.json', 'now');
  expect(await lost.read('a.json')).toBe('now');
});

test.each(['', '..', '../a', 'a/b', '.hidden', 'a.tmp', 'a\0b'])('%j is not the name of a file', async (name) => {
  await expect(new FileStore(directory).write(name, '')).rejects.toMatchObject({ code: 'invalid' });
});

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { guideNames, readGuide } from '../guides/guides.ts';
import { runGuide } from '../guides/runner.ts';

const README = path.join(import.meta.dirname, '../../docs/guides/README.md');

const names = await guideNames();

test.for(names)('%s is as the page says', { timeout: 300_000 }, async (name, { signal, skip, onTestFinished }) => {
  const written: string[] = [];
  const running = runGuide(await readGuide(name), { write: (line) => written.push(line), signal });
  // Past its time the test ends at once, and the cleaning up takes a while.
  onTestFinished(async () => {
    await running;
  }, 120_000);
  const outcome = await running;
  if (outcome.kind === 'skipped') skip(outcome.reason);
  expect(outcome.kind, written.join('\n')).toBe('right');
});

test('docs/guides/README.md lists every guide', async () => {
  const listed = [...(await readFile(README, 'utf8')).matchAll(/^\| \[([\w-]+)\]\((?:\.\.\/)?\1\.md\) /gm)].map(
    ([, name]) => name,
  );
  expect(listed.toSorted()).toEqual(names);
});

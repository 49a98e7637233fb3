import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '#platform/testing/eventually.ts';
import { processInfo } from '../../cli/lab/proc.ts';
import { parseGuide } from './page.ts';
import { type Outcome, runGuide } from './runner.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'weft-guides-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const never = new AbortController().signal;
const fence = (info: string, text: string): string => `\n\`\`\`${info}\n${text}\n\`\`\`\n`;
const run = (text: string, ...words: readonly string[]): string => fence(['sh run', ...words].join(' '), text);
const sees = (text: string): string => fence('text sees', text);

/** What is written, and how it ended; the page's first fence is on its line 4. DIR is a folder of the test. */
const follow = async (
  page: string,
  { cleanup = 'touch DIR/clean', signal = never }: { readonly cleanup?: string; readonly signal?: AbortSignal } = {},
): Promise<{ readonly outcome: Outcome; readonly written: string; readonly isClean: boolean }> => {
  const markdown = `# A page\n\n<!-- guide: needs nothing -->${page}${run(cleanup, 'cleanup', '15s')}`;
  const written: string[] = [];
  const guide = parseGuide('docs/guides/page.md', markdown.replaceAll('DIR', dir));
  const outcome = await runGuide(guide, { write: (line) => written.push(line), signal });
  return { outcome, written: written.join('\n').replaceAll(dir, 'DIR'), isClean: existsSync(path.join(dir, 'clean')) };
};

const problemsOf = async (page: string): Promise<string> => {
  const { outcome, isClean } = await follow(page);
  expect(isClean).toBe(true);
  return outcome.kind === 'wrong' ? outcome.problems.join('\n') : outcome.kind;
};

test('follows a page to its end and writes what one would see', async () => {
  const { outcome, written, isClean } = await follow(
    `${run('name=weft\ncat <<END\nhello $name\nEND')}${sees('hello weft')}\n## More\n${run('echo a \\\n  b >&2; echo c')}${sees('a b\nc')}`,
  );
  expect(outcome).toEqual({ kind: 'right', blocks: 3 });
  expect(isClean).toBe(true);
  expect(written).toBe(
    [
      ...['', '# A page', '', '    $ name=weft', '    $ cat <<END', '    > hello $name', '    > END', '    hello weft'],
      ...['', '## More', '', '    $ echo a \\', '    >   b >&2; echo c', '    a b', '    c'],
      ...['', '    $ touch DIR/clean', '', 'guide page: 3 blocks run, all as the page says'],
    ].join('\n'),
  );
});

test('keeps variables, functions, aliases, folder and jobs from block to block, and takes no folder of the checkout', async () => {
  const first = 'ls -A; mkdir sub; cd sub; declare -A m=([k]=v)\nf() { echo "f $1"; }\nalias g="f of"\nsleep 100 &';
  const { outcome } = await follow(
    `${run(first)}${sees('')}${run('basename $PWD; g; f ${m[k]}; kill %1')}${sees('sub\nf of\nf v')}`,
  );
  expect(outcome.kind).toBe('right');
});

test('a page types weft, and nothing of the environment around it reaches a block', async () => {
  process.env['WEFT_LAB'] = 'other';
  try {
    const { outcome } = await follow(
      `${run('weft --help | head -n 1; echo ${WEFT_LAB-none}')}${sees('weft: …\nnone')}`,
    );
    expect(outcome).toEqual({ kind: 'right', blocks: 2 });
  } finally {
    delete process.env['WEFT_LAB'];
  }
});

describe('a wrong page is red', () => {
  test.each([
    ['output that differs', run('echo a; echo b') + sees('a\nc'), 10, ['    9   a', '   10 - c', '      + b']],
    ['a line that is missing', run('echo a') + sees('a\nb'), 10, ['    9   a', '   10 - b']],
    ['a line that is not shown', run('echo a; echo b') + sees('a'), 9, ['    9   a', '      + b']],
    ['output where none is shown', run('echo a') + sees(''), 8, ['      + a']],
  ])('%s', async (_what, page, line, rows) => {
    const head = `docs/guides/page.md:${line}: this came (+) and the page says that (-):`;
    expect(await problemsOf(page)).toBe([head, ...rows.map((row) => `    ${row}`)].join('\n'));
  });

  test.each([
    ['a command that fails', run('true\nfalse\ntouch DIR/never'), '6: ended with status 1'],
    ['a command that is not there', run('true\n\nno-such-command'), '7: ended with status 127'],
    ['a command that fails in a pipe', run('false | cat'), '5: ended with status 1'],
    ['a command that fails in a function', run('f() {\n  false\n  touch DIR/never\n}\nf'), '6: ended with status 1'],
    ['a variable that is not set', run('echo $nothing'), '4: ended with status 1'],
    ['a syntax error', run('if true'), '4: ended with status 2'],
    ['an exit', run('exit 0'), '4: ended the session'],
    ['a bash that is ended', run('kill -9 $$'), '4: ended with status 128'],
    ['a failure that does not come', run('true', 'fails'), '4: succeeds, and the page says that it fails'],
    ['a failure with another output', run('echo a; false', 'fails') + sees('b'), '9: this came (+)'],
    ['what is too slow', run('sleep 100; touch DIR/never', '1s'), '4: was not done within 1 s'],
    ['an endless loop', run('while :; do sleep 0.1 || :; done', '1s'), '4: was not done within 1 s'],
    ['endless output', run('yes'), '4: printed more than anybody would read'],
    [
      'what does not become so',
      run('echo a', 'until', '2s') + sees('b'),
      '9: this came (+) after 2 s and the page says that (-)',
    ],
    ['what does not succeed', run('false', 'until', '2s'), '4: ended with status 1 after 2 s'],
  ])('%s', async (_what, page, problem) => {
    expect(await problemsOf(page + run('touch DIR/never'))).toContain(`docs/guides/page.md:${problem}`);
    expect(existsSync(path.join(dir, 'never'))).toBe(false);
  });

  test('a cleanup that fails, also when all else was right', async () => {
    const { outcome, written } = await follow(run('echo a'), { cleanup: 'echo oh; false' });
    expect(outcome).toEqual({ kind: 'wrong', problems: ['docs/guides/page.md:9: ended with status 1'] });
    expect(written).toMatch(/ {4}oh\n\ndocs.*\nguide page: not as the page says; 1 of 2 blocks were$/);
  });

  test('a cleanup that fails after something else did', async () => {
    const { outcome, written } = await follow(run('false'), { cleanup: 'echo oh; exit 3' });
    expect(outcome).toEqual({
      kind: 'wrong',
      problems: ['docs/guides/page.md:5: ended with status 1', 'docs/guides/page.md:8: ended with status 3'],
    });
    expect(written).toContain('    oh\n');
  });

  test('a page that leaves something running', async () => {
    const { outcome } = await follow(run('sleep 1000 &\nsetsid --fork sleep 1001'));
    const [problem = ''] = outcome.kind === 'wrong' ? outcome.problems : [];
    expect(problem).toMatch(
      /^docs\/guides\/page\.md: leaves running .*: sleep \(process (\d+)\), sleep \(process (\d+)\)$/,
    );
    for (const [, pid = ''] of problem.matchAll(/process (\d+)/g)) expect(processInfo(Number(pid))).toBeUndefined();
  });
});

test('a failure that the page announces is right, and costs nothing that came before', async () => {
  const { outcome } = await follow(
    `${run('a=1')}${run('a=2\necho oops >&2\nfalse\necho never', 'fails')}${sees('oops')}${run('echo $a')}${sees('1')}`,
  );
  expect(outcome.kind).toBe('right');
});

test('runs a block again until it succeeds and shows what the page says', async () => {
  const { outcome, written } = await follow(
    `${run('echo >>DIR/n\nwc -l <DIR/n\ntest $(wc -l <DIR/n) -gt 1', 'until')}${sees('3')}`,
  );
  expect(outcome.kind).toBe('right');
  expect(written).toContain('test $(wc -l <DIR/n) -gt 1\n    3\n');
});

test('cleans up with what the failed block has left: variables, folder, jobs', async () => {
  const { isClean } = await follow(run('here=DIR\nsleep 1000 &\nfalse'), { cleanup: 'kill %1\ntouch $here/clean' });
  expect(isClean).toBe(true);
});

test('holds the output of the cleanup against the page only where all else was right', async () => {
  const page = (block: string): string =>
    `# A page\n<!-- guide: needs nothing -->${run(block)}${run('echo removed', 'cleanup')}${sees('gone')}`;
  const outcomes = [];
  for (const block of ['true', 'false'])
    outcomes.push(
      await runGuide(parseGuide('docs/guides/page.md', page(block)), { write: () => undefined, signal: never }),
    );
  expect(outcomes).toMatchObject([
    { kind: 'wrong', problems: [expect.stringContaining('page.md:12: this came (+)')] },
    { kind: 'wrong', problems: ['docs/guides/page.md:4: ended with status 1'] },
  ]);
});

test('an interrupted guide ends the block at once, cleans up, and runs nothing more', async () => {
  const interrupt = new AbortController();
  const following = follow(run('touch DIR/begun\nsleep 1000') + run('touch DIR/never'), { signal: interrupt.signal });
  await eventually('the block has begun', () => existsSync(path.join(dir, 'begun')), 10_000);
  interrupt.abort();
  const { outcome, isClean } = await following;
  expect(outcome).toEqual({ kind: 'wrong', problems: ['docs/guides/page.md:4: was interrupted'] });
  expect(isClean).toBe(true);
  expect(existsSync(path.join(dir, 'never'))).toBe(false);
});

test('skips what this machine cannot do, and says why', async () => {
  const guide = parseGuide(
    'docs/guides/page.md',
    `# A page\n<!-- guide: needs docker -->${run('false')}${run('false', 'cleanup')}`,
  );
  const written: string[] = [];
  const outcome = await runGuide(guide, {
    write: (line) => written.push(line),
    signal: never,
    lacks: async (needs) => Promise.resolve(`there is no ${needs.join()}`),
  });
  expect(outcome).toEqual({ kind: 'skipped', reason: 'there is no docker' });
  expect(written).toEqual(['SKIP guide page: there is no docker']);
});

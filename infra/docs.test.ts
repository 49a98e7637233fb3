import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { checkDocs } from './docs.ts';

const problemsOf = async (files: Readonly<Record<string, string>>): Promise<readonly string[]> => {
  const root = await mkdtemp(path.join(tmpdir(), 'weft-docs-'));
  try {
    const all = {
      Makefile: 'VAR := 1\nhelp: ## says\ntest check-all guide: setup\n',
      'cli/weft.ts': '',
      'docs/guides/there.md': '',
      'docs/handbook.md': '# A page that is followed too\n\n<!-- guide: needs nothing -->\n',
      'docs/other.md': '',
      ...files,
    };
    for (const [file, text] of Object.entries(all)) {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true });
      await writeFile(path.join(root, file), text.replaceAll('ROOT', root));
    }
    return (await checkDocs(root)).map((problem) => problem.replaceAll(root, 'ROOT'));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
};

const page = (text: string): Promise<readonly string[]> => problemsOf({ 'docs/page.md': text });

test.each([
  ['a link to a file', '[it](../cli/weft.ts)'],
  ['a link to a folder', '[it](../cli/)'],
  ['a link to a heading of the page', '## Ports & VNIs: 4789\n[it](#ports--vnis-4789)'],
  ['a link elsewhere', '[it](https://example.org/nowhere) and [mail](mailto:a@example.org)'],
  ['a link inside code', '`[it](nowhere.md)`\n```\n[it](nowhere.md)\n```'],
  ['paths that exist', '`cli/weft.ts`, `cli/weft.ts:12`, `./cli/weft.ts`, `cli/`'],
  ['paths of the reader', '`/etc/weft/agent.env`, `some/where.ts`, `cli/*.ts`, `cli/<name>.ts`'],
  ['targets that exist', '`make test`, `make check-all HOSTS=20`, `make`\n```sh\n$ make help\nmakefile\n```'],
  ['a guide that exists', '`make guide G=there`, `make guide`'],
  ['a guide among the other pages', '`make guide G=handbook`'],
  ['prose about making', 'They make nonsense.'],
])('accepts %s', async (_what, text) => {
  expect(await page(text)).toEqual([]);
});

test.each([
  ['a link', '\n[it](gone.md)', 'docs/page.md:2 links to gone.md, which does not exist'],
  ['a link by reference', '[it]: gone.md', 'docs/page.md:1 links to gone.md, which does not exist'],
  [
    'a link that leaves the tree',
    '[it](../../etc/passwd)',
    'docs/page.md:1 links to ../../etc/passwd, which does not exist',
  ],
  ['a heading', '[it](#gone)', 'docs/page.md:1 links to #gone, but docs/page.md has no such heading'],
  ['a path', 'see `cli/gone.ts:7`', 'docs/page.md:1 names cli/gone.ts, which does not exist'],
  ['a target', 'say `make gone`', 'docs/page.md:1 says make gone, which the Makefile has not'],
  ['a target in a block', '```sh\nmake test gone\n```', 'docs/page.md:2 says make gone, which the Makefile has not'],
  ['a guide', '`make guide G=gone`', 'docs/page.md:1 says make guide G=gone, but there is no such guide'],
  [
    'a page that is no guide',
    '`make guide G=other`',
    'docs/page.md:1 says make guide G=other, but there is no such guide',
  ],
  ['a home', 'in /home/anna/weft', 'docs/page.md:1 names /home/anna, a path of one machine'],
  ['the checkout', 'in `ROOT/cli`', 'docs/page.md:1 names ROOT, a path of one machine'],
])('names %s that is not there for the reader', async (_what, text, problem) => {
  expect(await page(text)).toEqual([problem]);
});

import { expect, test } from 'vitest';
import { parseGuide } from './page.ts';

const FRONT = '# A page\n\n<!-- guide: needs nothing -->';
const fence = (info: string, text = 'true', mark = '```'): string => `\n${mark}${info}\n${text}\n${mark}\n`;
const CLEANUP = fence('sh run cleanup');

test('reads headings, blocks and what one sees, in their order', () => {
  const guide = parseGuide(
    'docs/guides/page.md',
    [
      '# A page',
      '<!-- guide: needs root, docker -->',
      fence('sh run', 'a=1\necho $a'),
      'One sees:',
      fence('text sees', '1'),
      '## Then',
      fence('sh', 'only --shown'),
      fence('yaml', '# not: a heading'),
      fence('sh run until 180s'),
      fence('sh run fails', 'false', '~~~~'),
      fence('sh run cleanup 5s', 'rm it'),
      fence('text sees', 'gone'),
    ].join('\n'),
  );
  const plain = { kind: 'block', text: 'true\n', fails: false, until: false, deadlineMs: 60_000, sees: undefined };
  expect(guide).toEqual({
    name: 'page',
    file: 'docs/guides/page.md',
    title: 'A page',
    needs: ['root', 'docker'],
    steps: [
      { kind: 'heading', text: '# A page' },
      { ...plain, line: 4, text: 'a=1\necho $a\n', sees: { line: 11, text: '1\n' } },
      { kind: 'heading', text: '## Then' },
      { ...plain, line: 27, until: true, deadlineMs: 180_000 },
      { ...plain, line: 32, fails: true, text: 'false\n' },
    ],
    cleanup: { ...plain, line: 37, text: 'rm it\n', deadlineMs: 5_000, sees: { line: 42, text: 'gone\n' } },
  });
});

test.each([
  ['no cleanup', FRONT + fence('sh run'), '1: there is no `sh run cleanup`'],
  ['nothing to run', FRONT + CLEANUP, '1: there is no `sh run`: nothing of this page would be run'],
  [
    'a block after the cleanup',
    FRONT + fence('sh run') + CLEANUP + fence('sh run'),
    '12: a block is run after `sh run cleanup`',
  ],
  ['two cleanups', FRONT + fence('sh run') + CLEANUP + CLEANUP, '12: a block is run after `sh run cleanup`'],
  [
    'a cleanup that may fail',
    FRONT + fence('sh run') + fence('sh run cleanup fails'),
    '8: `sh run cleanup` must do it',
  ],
  ['no heading', `<!-- guide: needs root -->\n${fence('sh run')}${CLEANUP}`, '1: there is no heading'],
  ['no needs', `# A\n${fence('sh run')}${CLEANUP}`, '1: there is no line `<!-- guide:'],
  ['needs twice', `${FRONT}\n<!-- guide: needs root -->\n${fence('sh run')}${CLEANUP}`, '4: there are two lines'],
  ['an unknown need', `# A\n<!-- guide: needs root, beer -->\n${fence('sh run')}${CLEANUP}`, '2: "beer" is nothing'],
  ['other words for needs', `# A\n<!-- guide: wants root -->\n${fence('sh run')}${CLEANUP}`, '2: is not like'],
  ['an unknown word', FRONT + fence('sh run sometimes') + CLEANUP, '4: `sh run` takes fails, until, cleanup'],
  ['a deadline without unit', FRONT + fence('sh run 180') + CLEANUP, '4: `sh run` takes fails, until, cleanup'],
  ['a word twice', FRONT + fence('sh run until until') + CLEANUP, '4: one word stands there twice'],
  ['two deadlines', FRONT + fence('sh run 1s 2s') + CLEANUP, '4: one word stands there twice'],
  ['an empty block', FRONT + fence('sh run', '') + CLEANUP, '4: there is nothing to run'],
  ['sees without a run', FRONT + fence('text sees') + fence('sh run') + CLEANUP, '4: `text sees` has no `sh run`'],
  [
    'sees twice',
    FRONT + fence('sh run') + fence('text sees') + fence('text sees') + CLEANUP,
    '12: `text sees` is the second',
  ],
  ['sees with a word', FRONT + fence('sh run') + fence('text sees once') + CLEANUP, '8: `text sees` takes no "once"'],
  ['a slip of sh run', FRONT + fence('sh rnu') + fence('sh run') + CLEANUP, '4: `sh rnu` is neither'],
  ['another shell', FRONT + fence('bash run') + fence('sh run') + CLEANUP, '4: `bash run` is neither'],
  [
    'a run in a list',
    `${FRONT}\n- so:\n  \`\`\`sh run\n  x\n  \`\`\`\n${fence('sh run')}${CLEANUP}`,
    '5: `sh run` is neither',
  ],
  ['an open fence', `${FRONT}\n\`\`\`sh run\nx\n`, '4: the fence is not closed'],
])('refuses a page with %s', (_what, markdown, problem) => {
  expect(() => parseGuide('docs/guides/page.md', markdown)).toThrow(`docs/guides/page.md:${problem}`);
});

test('tells all that is wrong at once', () => {
  expect(() => parseGuide('docs/guides/page.md', fence('sh run now'))).toThrow(
    /^.*:1: there is no heading\n.*:1: there is no line .*\n.*:2: `sh run` takes .*\n.*:1: there is no `sh run cleanup`$/,
  );
});

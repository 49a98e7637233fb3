import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { reasonsIn } from './reasons.ts';

const ROOT = path.join(import.meta.dirname, '..');
/** Given by what catches everything else. */
const CATCH_ALL = 'INTERNAL';

const documented = async (): Promise<ReadonlySet<string>> => {
  const text = await readFile(path.join(ROOT, 'docs/errors.md'), 'utf8');
  const cells = text.split('\n').flatMap((line) => (line.startsWith('| `') ? line.split('|') : []));
  return new Set(cells.flatMap((cell) => [...cell.matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map(([, reason = '']) => reason)));
};

test('docs/errors.md has every reason that the code gives, and no other', async () => {
  const given = new Map([...(await reasonsIn(ROOT)).values()].flatMap((reasons) => [...reasons]));
  const told = await documented();
  expect([...given].filter(([reason]) => !told.has(reason))).toEqual([]);
  expect([...told].filter((reason) => reason !== CATCH_ALL && !given.has(reason))).toEqual([]);
});

test('reasons are found wherever they stand, by the part that gives them', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'weft-reasons-'));
  try {
    const files = {
      'services/ipam/app/a.ts': "throw new DomainError('exhausted', 'FULL', 'x');\nthrow notFound('subnet', id);",
      'services/topology/app/b.ts':
        "new DomainError(\n  'exists',\n  'TAKEN',\n  'x',\n);\nreserve({ reason: 'HELD' });",
      'services/topology/app/b.test.ts': "new DomainError('internal', 'ONLY_IN_A_TEST', 'x')",
      'agents/dataplane/c.ts':
        "// new DomainError('internal', 'IN_A_COMMENT', 'x')\nexport const GONE = 'GONE';\nbeingDeleted('host', id)",
    };
    for (const [file, text] of Object.entries(files)) {
      await mkdir(path.join(root, path.dirname(file)), { recursive: true });
      await writeFile(path.join(root, file), text);
    }
    const found = await reasonsIn(root);
    expect([...found].map(([part, reasons]) => [part, [...reasons.keys()].sort()]).sort()).toEqual([
      ['agents', ['GONE', 'HOST_BEING_DELETED']],
      ['services/ipam', ['FULL', 'SUBNET_NOT_FOUND']],
      ['services/topology', ['HELD', 'TAKEN']],
    ]);
  } finally {
    await rm(root, { recursive: true });
  }
});

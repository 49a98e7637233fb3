import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { kebab } from '#platform/config/settings.ts';
import { agentSettings } from '../../agents/dataplane/config.ts';
import { upSettings } from '../../cli/up/config.ts';
import { ipamSettings } from '../../services/ipam/config.ts';
import { l2popSettings } from '../../services/l2pop/config.ts';
import { topologySettings } from '../../services/topology/config.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const operations = readFileSync(path.join(ROOT, 'docs/operations.md'), 'utf8');

/** First cells of the tables' rows, which are code. */
const rows = new Set([...operations.matchAll(/^\| `([^`]+)` /gm)].map(([, code = '']) => code));

test('every setting of every process is in docs/operations.md', () => {
  const settings = [upSettings, agentSettings, ipamSettings, topologySettings, l2popSettings];
  const flags = new Set(settings.flatMap((each) => Object.keys(each)).map((key) => `--${kebab(key)}`));
  expect([...flags].filter((flag) => !rows.has(flag))).toEqual([]);
  expect([...rows].filter((row) => row.startsWith('--') && !flags.has(row))).toEqual([]);
});

test('every metric that the code has is in docs/operations.md, and no other', async () => {
  const metrics = new Set<string>();
  for await (const file of glob('{services,agents,cli}/**/*.ts', { cwd: ROOT })) {
    if (file.endsWith('.test.ts')) continue;
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/\b(?:counter|gauge|histogram)\(\s*'(weft_[a-z0-9_]+)'/g))
      metrics.add(name);
  }
  expect(metrics.size).toBeGreaterThan(10);
  expect([...metrics].filter((name) => !rows.has(name))).toEqual([]);
  expect([...rows].filter((row) => row.startsWith('weft_') && !metrics.has(row))).toEqual([]);
});

/** Whether the README's figures are those of test/bench/results*.json; `--write` puts them there. Ends with 1 when not. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LINUXBRIDGE, OVS, withFigures } from './figures.ts';

const root = path.resolve(import.meta.dirname, '..');
const file = path.join(root, 'README.md');
const readme = readFileSync(file, 'utf8');
let right = readme;
for (const results of [LINUXBRIDGE, OVS]) {
  const measured: unknown = JSON.parse(readFileSync(path.join(root, results.file), 'utf8'));
  right = withFigures(right, results, { ...(typeof measured === 'object' ? measured : {}) });
}
if (process.argv.includes('--write')) writeFileSync(file, right);
else if (right !== readme) {
  console.error('README.md has other figures than test/bench: node infra/check-figures.ts --write');
  process.exitCode = 1;
}

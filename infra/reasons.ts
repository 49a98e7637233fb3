import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import path from 'node:path';

/** Code that answers nobody: tests, fakes, fixtures, and what checks the repository. */
const APART = /\.(?:test|fixture|contract)\.ts$|\/(?:testing|fixtures)\//;

// A reason stands in one of these places. Code and reason may be on lines of their own.
const PLACES: readonly RegExp[] = [
  /new DomainError\([^,;]{1,120},\s*'([A-Z][A-Z0-9_]+)'/g,
  /\breason: '([A-Z][A-Z0-9_]+)'/g,
  // A constant that is used by its name.
  /\bconst ([A-Z][A-Z0-9_]+) = '\1'/g,
];
/** Reasons that a helper makes of the kind of thing it is told. */
const BY_KIND: readonly (readonly [RegExp, string])[] = [
  [/\bnotFound\('([a-z_]+)'/g, 'NOT_FOUND'],
  [/\bbeingDeleted\('([a-z]+)'/g, 'BEING_DELETED'],
];
const COMMENT = /^\s*(?:\/\/|\/?\*).*$/gm;

/**
 * The error reasons that production code gives, by the part that gives them: `services/ipam`, `agents`, `cli`, … Each with
 * the files that do. Found in the text, so a reason that is put together at run time stays unseen.
 */
export const reasonsIn = async (root: string): Promise<ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>> => {
  const parts = new Map<string, Map<string, string[]>>();
  for await (const file of glob('{services,agents,cli}/**/*.ts', { cwd: root })) {
    if (APART.test(file)) continue;
    const part = file.startsWith('services/') ? file.split('/').slice(0, 2).join('/') : file.split('/', 1).join('');
    const reasons = parts.get(part) ?? new Map<string, string[]>();
    parts.set(part, reasons);
    for (const reason of reasonsOf(readFileSync(path.join(root, file), 'utf8').replaceAll(COMMENT, ''))) {
      reasons.set(reason, [...(reasons.get(reason) ?? []), file]);
    }
  }
  return parts;
};

const reasonsOf = (text: string): ReadonlySet<string> =>
  new Set([
    ...PLACES.flatMap((place) => [...text.matchAll(place)].map(([, reason = '']) => reason)),
    ...BY_KIND.flatMap(([place, end]) =>
      [...text.matchAll(place)].map(([, kind = '']) => `${kind.toUpperCase()}_${end}`),
    ),
  ]);

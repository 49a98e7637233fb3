import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Guide, parseGuide } from './page.ts';

const FOLDER = path.join(import.meta.dirname, '../../docs/guides');

/** The names of the guides in docs/guides, whose README.md is none. */
export const guideNames = async (): Promise<readonly string[]> =>
  (await readdir(FOLDER))
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => path.basename(file, '.md'))
    .toSorted();

/** Reads a guide by its name. Throws as `parseGuide` does. */
export const readGuide = async (name: string): Promise<Guide> =>
  parseGuide(name, await readFile(path.join(FOLDER, `${name}.md`), 'utf8'));

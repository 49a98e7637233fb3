import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Guide, parseGuide } from './page.ts';

const ROOT = path.join(import.meta.dirname, '../..');
/** All of its pages are guides but README.md, which tells of them. */
const FOLDER = 'docs/guides';
/** Of its pages those are that say what they need of the machine. */
const HANDBOOK = 'docs';
const NEEDS = /^<!-- guide: /m;

/** The names of the guides. */
export const guideNames = async (): Promise<readonly string[]> => [...(await guideFiles()).keys()].toSorted();

/** Reads a guide by its name. Throws as `parseGuide` does, and an Error where there is none of that name. */
export const readGuide = async (name: string): Promise<Guide> => {
  const file = (await guideFiles()).get(name);
  if (file === undefined) throw new Error(`there is no guide "${name}"`);
  return parseGuide(file, await readText(file));
};

/** By name, from the root of the repository. */
const guideFiles = async (): Promise<ReadonlyMap<string, string>> => {
  const guides = (await pagesOf(FOLDER)).filter((file) => path.basename(file) !== 'README.md');
  for (const file of await pagesOf(HANDBOOK)) if (NEEDS.test(await readText(file))) guides.push(file);
  const files = new Map<string, string>();
  for (const file of guides) {
    const name = path.basename(file, '.md');
    const namesake = files.get(name);
    if (namesake !== undefined) throw new Error(`${namesake} and ${file} are guides of one name`);
    files.set(name, file);
  }
  return files;
};

const pagesOf = async (folder: string): Promise<string[]> =>
  (await readdir(path.join(ROOT, folder))).filter((file) => file.endsWith('.md')).map((file) => `${folder}/${file}`);

const readText = async (file: string): Promise<string> => readFile(path.join(ROOT, file), 'utf8');

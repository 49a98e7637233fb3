import { existsSync, readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import path from 'node:path';

/** Folders of other people's documents. */
const FOREIGN = ['**/node_modules/**', '**/.git/**', '**/.weft/**', '**/coverage/**'];
/** A person's folder, which no other machine has. */
const HOME = /(?<![\w/.~-])\/(?:home|Users|root)\/[\w.-]+/g;
/** Where a checkout may well live on the reader's machine too. */
const WELL_KNOWN = /^\/(?:etc|opt|srv|usr|var)\//;

/** The pages that `make guide G=NAME` follows: all that are here. */
const GUIDES = 'docs/guides';
/** And those of the others that say they are guides. */
const HANDBOOK = 'docs';

interface Document {
  readonly file: string;
  readonly text: string;
  /** The same with fenced blocks emptied, line by line. */
  readonly prose: string;
  /** The fenced blocks alone, line by line. */
  readonly fenced: string;
}

/**
 * What the Markdown files under `root` promise and do not keep: links that lead nowhere, `make` targets that the Makefile
 * lacks, guides and files that do not exist, paths of one person's machine. One sentence each, with file and line.
 */
export const checkDocs = async (root: string): Promise<readonly string[]> => {
  const targets = makeTargets(readFileSync(path.join(root, 'Makefile'), 'utf8'));
  const problems: string[] = [];
  for await (const file of glob('**/*.md', { cwd: root, exclude: FOREIGN })) {
    const document = readDocument(root, file);
    problems.push(
      ...brokenLinks(root, document),
      ...missingPaths(root, document),
      ...missingTargets(targets, document),
      ...missingGuides(root, document),
      ...localPaths(root, document),
    );
  }
  return problems.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
};

const readDocument = (root: string, file: string): Document => {
  const text = readFileSync(path.join(root, file), 'utf8');
  let fence: string | undefined;
  const prose: string[] = [];
  const fenced: string[] = [];
  for (const line of text.split('\n')) {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    const within = fence !== undefined;
    if (fence === undefined) fence = mark;
    else if (mark?.startsWith(fence) === true) fence = undefined;
    const isMark = mark !== undefined && within !== (fence !== undefined);
    prose.push(within || isMark ? '' : line);
    fenced.push(within && !isMark ? line : '');
  }
  return { file, text, prose: prose.join('\n'), fenced: fenced.join('\n') };
};

const brokenLinks = (root: string, { file, prose }: Document): readonly string[] => {
  const links = [
    ...prose.replaceAll(/`[^`\n]*`/g, blank).matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)/gm),
  ];
  return links.flatMap((link) => {
    const target = decodeURI(link[1] ?? link[2] ?? '');
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
    const [where = '', anchor] = target.split('#', 2);
    const to = where === '' ? file : path.normalize(path.join(path.dirname(file), where));
    if (to.startsWith('..') || !existsSync(path.join(root, to))) {
      return [`${at(file, prose, link.index)} links to ${target}, which does not exist`];
    }
    if (anchor === undefined || !to.endsWith('.md') || headings(root, to).has(anchor)) return [];
    return [`${at(file, prose, link.index)} links to ${target}, but ${to} has no such heading`];
  });
};

/** The anchors of a document's headings, made as code forges make them. */
const headings = (root: string, file: string): ReadonlySet<string> => {
  const slugs = new Set<string>();
  for (const [, heading = ''] of readDocument(root, file).prose.matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    let free = slug;
    for (let n = 1; slugs.has(free); n += 1) free = `${slug}-${n}`;
    slugs.add(free);
  }
  return slugs;
};

/** Code spans that are a path of this repository, by their first folder; patterns and placeholders are none. */
const missingPaths = (root: string, { file, prose }: Document): readonly string[] =>
  codeSpans(prose).flatMap(({ code, index }) => {
    const [, named = '', folder = ''] = /^(?:\.\/)?(([\w.-]+)\/[\w./@:-]*)$/.exec(code) ?? [];
    const wanted = named.replace(/:\d+$/, '');
    const ours = folder !== '' && existsSync(path.join(root, folder)) && folder !== 'node_modules';
    const candidates = [wanted, path.join(path.dirname(file), wanted)];
    if (!ours || candidates.some((one) => existsSync(path.join(root, one)))) return [];
    return [`${at(file, prose, index)} names ${wanted}, which does not exist`];
  });

const missingTargets = (targets: ReadonlySet<string>, document: Document): readonly string[] =>
  makeCalls(document).flatMap(({ words, where }) =>
    words
      .filter((word) => /^[a-z][a-z-]*$/.test(word) && !targets.has(word))
      .map((target) => `${where} says make ${target}, which the Makefile has not`),
  );

const missingGuides = (root: string, document: Document): readonly string[] =>
  makeCalls(document).flatMap(({ words, where }) => {
    const names = words.includes('guide') ? words.flatMap((word) => /^G=(.+)$/.exec(word)?.[1] ?? []) : [];
    return names
      .filter((name) => !isGuide(root, name))
      .map((name) => `${where} says make guide G=${name}, but there is no such guide`);
  });

const isGuide = (root: string, name: string): boolean => {
  if (existsSync(path.join(root, GUIDES, `${name}.md`))) return true;
  const page = path.join(root, HANDBOOK, `${name}.md`);
  return existsSync(page) && /^<!-- guide: /m.test(readFileSync(page, 'utf8'));
};

/** What `make` is told in code spans and blocks. */
const makeCalls = ({
  file,
  prose,
  fenced,
}: Document): readonly { readonly words: readonly string[]; readonly where: string }[] => {
  const commands = [
    ...codeSpans(prose).map(({ code, index }) => ({ code, where: at(file, prose, index) })),
    ...[...fenced.matchAll(/^.*$/gm)].map((line) => ({ code: line[0], where: at(file, fenced, line.index) })),
  ];
  return commands.flatMap(({ code, where }) => {
    const words = /^\s*(?:[$#] )?(?:sudo )?make((?: +[\w.=/-]+)+)/.exec(code)?.[1]?.trim().split(/ +/);
    return words === undefined ? [] : [{ words, where }];
  });
};

const localPaths = (root: string, { file, text }: Document): readonly string[] => {
  const found = [...text.matchAll(HOME)].map((match) => ({ named: match[0], index: match.index }));
  const here = text.indexOf(`${root}/`);
  if (here >= 0 && !WELL_KNOWN.test(root)) found.push({ named: root, index: here });
  return found.map(({ named, index }) => `${at(file, text, index)} names ${named}, a path of one machine`);
};

const makeTargets = (makefile: string): ReadonlySet<string> =>
  new Set([...makefile.matchAll(/^([a-z][a-z -]*):(?!=)/gm)].flatMap(([, names = '']) => names.split(' ')));

const codeSpans = (prose: string): readonly { readonly code: string; readonly index: number }[] =>
  [...prose.matchAll(/`([^`\n]+)`/g)].map((span) => ({ code: (span[1] ?? '').trim(), index: span.index }));

const at = (file: string, text: string, index: number): string => `${file}:${text.slice(0, index).split('\n').length}`;

const blank = (text: string): string => ' '.repeat(text.length);

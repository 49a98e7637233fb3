import path from 'node:path';
import { type Fence, fencesOf } from '../support/fences.ts';

/** What a guide may ask of the machine it is followed on. */
const NEEDS = ['root', 'lab', 'openvswitch', 'docker', 'libvirt'] as const;
export type Need = (typeof NEEDS)[number];

/** A page whose commands are run as they stand; docs/guides/README.md says how one is written. */
export interface Guide {
  readonly name: string;
  /** Its path from the root of the repository. */
  readonly file: string;
  readonly title: string;
  readonly needs: readonly Need[];
  readonly steps: readonly (Heading | Block)[];
  /** Run at the end, whatever happened before. */
  readonly cleanup: Block;
}

export interface Heading {
  readonly kind: 'heading';
  readonly text: string;
}

/** Commands that are run together. */
export interface Block {
  readonly kind: 'block';
  /** Of its opening fence, from 1. */
  readonly line: number;
  readonly text: string;
  /** It must end with another status than 0. */
  readonly fails: boolean;
  /** It is run again and again until what comes is right. */
  readonly until: boolean;
  readonly deadlineMs: number;
  readonly sees: Sees | undefined;
}

/** What one sees when a block is run. */
export interface Sees {
  /** Of its opening fence, from 1. */
  readonly line: number;
  readonly text: string;
}

const DEADLINE_MS = 60_000;

/**
 * Reads a guide; `file` is its path from the root of the repository. Throws an Error with one line for each thing that is wrong with the page, as `file:line: what`: a block that
 * looks like one that is run but is not, no cleanup, no needs, and so on.
 */
export const parseGuide = (file: string, markdown: string): Guide => {
  const problems: string[] = [];
  const wrong = (line: number, what: string): void => {
    problems.push(`${file}:${line}: ${what}`);
  };
  const fences = fencesOf(markdown);
  const prose = proseOf(markdown, fences);
  const headings = prose.filter(({ text }) => /^#{1,6} /.test(text));
  const title = headings[0]?.text.replace(/^#+ +/, '') ?? '';
  if (title === '') wrong(1, 'there is no heading');
  const needs = needsOf(prose, wrong);
  const { steps, cleanup } = runOf(fences, wrong);
  if (cleanup === undefined) wrong(1, 'there is no `sh run cleanup`');
  if (steps.length === 0) wrong(1, 'there is no `sh run`: nothing of this page would be run');
  if (problems.length > 0 || cleanup === undefined) throw new Error(problems.join('\n'));
  const told = headings.map(({ line, text }) => ({ line, step: { kind: 'heading', text } as const }));
  const all = [...told, ...steps.map((step) => ({ line: step.line, step }))].toSorted((a, b) => a.line - b.line);
  return { name: path.basename(file, '.md'), file, title, needs, steps: all.map(({ step }) => step), cleanup };
};

type Wrong = (line: number, what: string) => void;

interface ProseLine {
  readonly line: number;
  readonly text: string;
}

const proseOf = (markdown: string, fences: readonly Fence[]): readonly ProseLine[] =>
  markdown
    .split('\n')
    .map((text, index) => ({ line: index + 1, text }))
    .filter(({ line }) => !fences.some((fence) => fence.line <= line && line <= (fence.endLine ?? line)));

const needsOf = (prose: readonly ProseLine[], wrong: Wrong): readonly Need[] => {
  const [front, ...more] = prose.filter(({ text }) => text.includes('<!-- guide:'));
  if (front === undefined) wrong(1, 'there is no line `<!-- guide: needs root, lab -->` (or `needs nothing`)');
  for (const { line } of more) wrong(line, 'there are two lines `<!-- guide: … -->`');
  const list = /^<!-- guide: needs (.+) -->$/.exec(front?.text ?? '')?.[1];
  if (front === undefined || list === 'nothing') return [];
  if (list === undefined) wrong(front.line, 'is not like `<!-- guide: needs root, lab -->`');
  return (list?.split(/, */) ?? []).flatMap((text) => {
    const need = NEEDS.find((known) => known === text);
    if (need === undefined) wrong(front.line, `"${text}" is nothing that a guide can need: ${NEEDS.join(', ')}`);
    return need ?? [];
  });
};

const runOf = (
  fences: readonly Fence[],
  wrong: Wrong,
): { readonly steps: readonly Block[]; readonly cleanup: Block | undefined } => {
  const blocks: { readonly block: Block; readonly isCleanup: boolean }[] = [];
  for (const fence of fences) {
    const { indent, info, line, text } = fence;
    if (fence.endLine === undefined) wrong(line, 'the fence is not closed');
    const [language, role] = info;
    const meant = info.includes('run') ? 'run' : info.includes('sees') ? 'sees' : undefined;
    const isRun = language === 'sh' && role === 'run';
    const isSees = language === 'text' && role === 'sees';
    if (
      isRun || isSees
        ? indent !== ''
        : meant !== undefined || (role !== undefined && /^(sh|text)$/.test(language ?? ''))
    )
      wrong(
        line,
        `\`${info.join(' ')}\` is neither \`sh run …\` nor \`text sees\` at the begin of a line, nor only shown`,
      );
    else if (isRun) {
      if (blocks.at(-1)?.isCleanup === true)
        wrong(line, 'a block is run after `sh run cleanup`, which is the last one');
      blocks.push({ block: blockOf(fence, wrong), isCleanup: info.includes('cleanup') });
    } else if (isSees) {
      const last = blocks.pop();
      if (info.length > 2) wrong(line, `\`text sees\` takes no "${info.slice(2).join(' ')}"`);
      if (last === undefined) wrong(line, '`text sees` has no `sh run` before it');
      else {
        if (last.block.sees !== undefined) wrong(line, '`text sees` is the second after one `sh run`');
        blocks.push({ ...last, block: { ...last.block, sees: { line, text } } });
      }
    }
  }
  return {
    steps: blocks.filter(({ isCleanup }) => !isCleanup).map(({ block }) => block),
    cleanup: blocks.find(({ isCleanup }) => isCleanup)?.block,
  };
};

const blockOf = ({ info, line, text }: Fence, wrong: Wrong): Block => {
  const words = info.slice(2);
  const seconds = words.map((word) => /^([1-9]\d{0,3})s$/.exec(word)?.[1]).filter((found) => found !== undefined);
  const cleanup = words.includes('cleanup');
  for (const word of words.filter((each) => !/^(fails|until|cleanup|[1-9]\d{0,3}s)$/.test(each)))
    wrong(line, `\`sh run\` takes fails, until, cleanup and a deadline such as 180s, not "${word}"`);
  if (new Set(words).size < words.length || seconds.length > 1) wrong(line, 'one word stands there twice');
  const fails = words.includes('fails');
  const until = words.includes('until');
  if (cleanup && (fails || until)) wrong(line, '`sh run cleanup` must do it at once: no fails, no until');
  if (text.trim() === '') wrong(line, 'there is nothing to run');
  const deadlineMs = seconds[0] === undefined ? DEADLINE_MS : Number(seconds[0]) * 1_000;
  return { kind: 'block', line, text, fails, until, deadlineMs, sees: undefined };
};

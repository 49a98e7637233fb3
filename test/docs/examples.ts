import { type Fence, fencesOf } from '../support/fences.ts';

/** A command of a document, and the answer that the document shows for it. */
export interface Example {
  /** Line of the command's fence, from 1. */
  readonly line: number;
  /** The command that is run. */
  readonly argv: readonly string[];
  /** The same call by other tools, which is compared and not run. */
  readonly others: readonly (readonly string[])[];
  /** The answer may take a while to become what is shown: it is asked again. */
  readonly settles: boolean;
  readonly answer: Answer | undefined;
}

/** What stands in the fence after a command. */
export interface Answer {
  readonly language: string;
  readonly text: string;
  /** Where `text` begins and ends in the document. */
  readonly from: number;
  readonly to: number;
}

/**
 * The fenced blocks `sh run` of a Markdown document, in order; `sh run settles` is asked again until its answer is the one
 * shown. The next fence, unless it is a command itself, is the answer.
 */
export const examplesOf = (markdown: string): readonly Example[] => {
  const fences = fencesOf(markdown);
  return fences.flatMap((fence, at): Example[] => {
    if (!isCommand(fence)) return [];
    const [argv, ...others] = commandsOf(fence.text);
    if (argv === undefined) throw new Error(`line ${fence.line.toString()}: no command`);
    const next = fences[at + 1];
    return [
      { line: fence.line, argv, others, settles: fence.info.includes('settles'), answer: next && answerOf(next) },
    ];
  });
};

/** The document with other answers in place of those of the examples. */
export const withAnswers = (
  markdown: string,
  answers: readonly { readonly answer: Answer; readonly text: string }[],
): string => {
  let result = '';
  let end = 0;
  for (const { answer, text } of answers.toSorted((a, b) => a.answer.from - b.answer.from)) {
    result += `${markdown.slice(end, answer.from)}${text.trimEnd()}\n`;
    end = answer.to;
  }
  return result + markdown.slice(end);
};

const isCommand = ({ info }: Fence): boolean => info[0] === 'sh' && info.includes('run');

const answerOf = (fence: Fence): Answer | undefined =>
  fence.info[0] === 'json' || fence.info[0] === 'text'
    ? { language: fence.info[0], text: fence.text, from: fence.from, to: fence.from + fence.text.length }
    : undefined;

/** Words of each command; a backslash at the end of a line joins it with the next. */
const commandsOf = (text: string): readonly (readonly string[])[] =>
  text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map(wordsOf)
    .filter((words) => words.length > 0);

/** Words as a shell would make them of plain text and single quotes, which is all that the examples use. */
const wordsOf = (line: string): readonly string[] =>
  [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ''));

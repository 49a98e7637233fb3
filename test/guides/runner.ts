import { sleep } from '#platform/async/sleep.ts';
import { toError } from '#platform/errors/domain-error.ts';
import { compare } from './compare.ts';
import { lacking } from './needs.ts';
import type { Block, Guide } from './page.ts';
import { type Ending, Terminal } from './terminal.ts';

/** How following a guide ended. */
export type Outcome =
  | { readonly kind: 'right'; readonly blocks: number }
  /** The machine has not what the guide needs: nothing was run. */
  | { readonly kind: 'skipped'; readonly reason: string }
  /** What is not as the page says, one sentence each; those that are about a line of the page begin with `file:line: `. */
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

export interface RunOptions {
  /** Gets what is to be read, line by line. */
  readonly write: (line: string) => void;
  /** At its abort the block that runs is ended; what follows is the cleaning up. */
  readonly signal: AbortSignal;
  /** What this machine lacks; to be replaced by tests alone. */
  readonly lacks?: typeof lacking;
}

const RETRY_MS = 250;

/**
 * Follows a guide from its begin to its end, or to the first block that does not do what the page says. Its cleanup is
 * always run, and then whatever the page has left running is ended, which is a fault of the page. The last line that is
 * written says how it went.
 */
export const runGuide = async (guide: Guide, { write, signal, lacks = lacking }: RunOptions): Promise<Outcome> => {
  const reason = await lacks(guide.needs, signal);
  if (reason !== undefined) {
    write(`SKIP guide ${guide.name}: ${reason}`);
    return { kind: 'skipped', reason };
  }
  const total = guide.steps.filter(({ kind }) => kind === 'block').length + 1;
  const follower = new Follower(guide, write, await Terminal.open(`${guide.name}.md`));
  const problems = await follower.follow(signal);
  if (problems.length === 0) {
    write(`\nguide ${guide.name}: ${total} blocks run, all as the page says`);
    return { kind: 'right', blocks: total };
  }
  write('');
  for (const problem of problems) write(problem);
  write(`guide ${guide.name}: not as the page says; ${follower.right} of ${total} blocks were`);
  return { kind: 'wrong', problems };
};

class Follower {
  readonly #guide: Guide;
  readonly #write: (line: string) => void;
  readonly #terminal: Terminal;
  /** Blocks that did what the page says. */
  right = 0;

  constructor(guide: Guide, write: (line: string) => void, terminal: Terminal) {
    this.#guide = guide;
    this.#write = write;
    this.#terminal = terminal;
  }

  async follow(signal: AbortSignal): Promise<readonly string[]> {
    const problems: string[] = [];
    const attempt = async (work: () => Promise<readonly string[]>): Promise<void> => {
      try {
        problems.push(...(await work()));
      } catch (thrown) {
        problems.push(toError(thrown).message);
      }
    };
    await attempt(() => this.#steps(signal));
    await attempt(() => this.#cleanup(problems.length === 0));
    await attempt(async () => {
      const left = await this.#terminal.close();
      return left.length === 0 ? [] : [`${this.#guide.file}: leaves running what had to be ended: ${left.join(', ')}`];
    });
    return problems;
  }

  async #steps(signal: AbortSignal): Promise<readonly string[]> {
    for (const step of this.#guide.steps) {
      if (signal.aborted) return ['interrupted'];
      if (step.kind === 'heading') {
        this.#write(`\n${step.text}`);
        continue;
      }
      const problems = await this.#block(step, signal);
      if (problems.length > 0) return problems;
    }
    return [];
  }

  /** After a failure there may be less to clean up than the page shows. */
  async #cleanup(isAsShown: boolean): Promise<readonly string[]> {
    const { cleanup } = this.#guide;
    if (!isAsShown) this.#write('\ncleaning up');
    return await this.#block(isAsShown ? cleanup : { ...cleanup, sees: undefined }, new AbortController().signal);
  }

  async #block(block: Block, signal: AbortSignal): Promise<readonly string[]> {
    this.#write('');
    for (const line of prompted(block.text)) this.#write(`    ${line}`);
    const ending = await this.#ending(block, signal);
    const output = ending.output.trimEnd();
    if (output !== '') for (const line of output.split('\n')) this.#write(`    ${line}`.trimEnd());
    const problem = this.#problem(block, ending);
    if (problem === undefined) this.right += 1;
    return problem === undefined ? [] : [problem];
  }

  async #ending(block: Block, signal: AbortSignal): Promise<Ending> {
    const how = block.fails || block.until ? 'apart' : 'here';
    const late = performance.now() + block.deadlineMs;
    for (let before: Ending | undefined; ;) {
      const ending = await this.#terminal.run(block, how, Math.max(late - performance.now(), 1), signal);
      // An attempt that the deadline cut short tells less than the one before.
      if (ending.cut !== undefined) return before === undefined || signal.aborted ? ending : before;
      if (!block.until || this.#problem(block, ending) === undefined || signal.aborted) return ending;
      if (performance.now() + RETRY_MS > late) return ending;
      before = ending;
      await sleep(RETRY_MS, AbortSignal.timeout(60_000));
    }
  }

  /** What is not as the page says with the end of a block, if anything. */
  #problem({ line, fails, until, deadlineMs, sees }: Block, ending: Ending): string | undefined {
    const { status, state, cut } = ending;
    const at = (where: number): string => `${this.#guide.file}:${where}:`;
    const tried = until ? ` after ${deadlineMs / 1_000} s` : '';
    if (cut === 'deadline') return `${at(line)} was not done within ${deadlineMs / 1_000} s`;
    if (cut === 'interrupt') return `${at(line)} was interrupted`;
    if (cut === 'flood') return `${at(line)} printed more than anybody would read`;
    if (fails && status === 0) return `${at(line)} succeeds${tried}, and the page says that it fails`;
    if (!fails && status !== 0)
      return `${at(ending.line === 0 ? line : ending.line)} ended with status ${status}${tried}`;
    if (state !== 'done') return `${at(line)} ended the session`;
    const rows = sees === undefined ? undefined : compare(sees.text, ending.output);
    if (sees === undefined || rows === undefined) return undefined;
    const lines = rows.map((row) => ({ ...row, line: row.at === undefined ? undefined : sees.line + 1 + row.at }));
    const first = lines.findIndex(({ mark }) => mark !== ' ');
    const where = lines.slice(0, first + 1).findLast((row) => row.line !== undefined)?.line ?? sees.line;
    const shown = lines.map((row) => `    ${(row.line ?? '').toString().padStart(5)} ${row.mark} ${row.text}`);
    return [`${at(where)} this came (+)${tried} and the page says that (-):`, ...shown].join('\n');
  }
}

/** Commands with what a shell would write before each line. */
const prompted = (text: string): readonly string[] => {
  let end: string | undefined;
  let isBegun = false;
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const prompt = isBegun ? '>' : '$';
      if (end === undefined) end = /<<-?\s*(['"]?)(\w+)\1/.exec(line)?.[2];
      else if (line.trim() === end) end = undefined;
      isBegun = end !== undefined || line.endsWith('\\');
      return `${prompt} ${line}`;
    });
};

/** How much a finding matters, the worst last. */
export type Severity = 'notice' | 'warning' | 'error';

/** A step that mends something; `write` replaces the file as a whole. */
export type RemedyStep =
  | { readonly kind: 'run'; readonly argv: readonly string[] }
  | { readonly kind: 'write'; readonly path: string; readonly text: string };

/** One thing that is amiss with the host. */
export interface Finding {
  readonly severity: Severity;
  /** One sentence: what is wrong, with the values. */
  readonly title: string;
  /** What was seen: rules, numbers, words of programs. */
  readonly evidence: readonly string[];
  /** In this order; none where it takes a person's decision. */
  readonly remedy: readonly RemedyStep[];
  /** The remedy adds and takes nothing away, so it may be done unasked by whoever asked for a fix. */
  readonly fixable?: boolean;
}

/** How a check ended. */
export type Verdict =
  | { readonly kind: 'judged'; readonly findings: readonly Finding[] }
  | { readonly kind: 'skipped'; readonly reason: string };

/** Nothing is amiss. */
export const PASSED: Verdict = { kind: 'judged', findings: [] };

export const judged = (findings: readonly Finding[]): Verdict => ({ kind: 'judged', findings });

export const skipped = (reason: string): Verdict => ({ kind: 'skipped', reason });

/** A remedy's step that runs a program. */
export const run = (...argv: readonly string[]): RemedyStep => ({ kind: 'run', argv });

/** The step as a line that can be pasted into a POSIX shell. */
export const remedyLine = (step: RemedyStep): string =>
  step.kind === 'run'
    ? step.argv.map(quoted).join(' ')
    : `printf '%s\\n' ${step.text.trimEnd().split('\n').map(quoted).join(' ')} > ${quoted(step.path)}`;

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** A change to the host, as data: what is done, the command it stands for, and why. */
export interface Operation {
  /** What kind of step, e.g. `replace-fdb`. */
  readonly kind: string;
  /** The resource it changes; two operations of one plan on one key happen in plan order. */
  readonly key: string;
  /** The command a person would type; what is executed is exactly this. Every word is a validated value. */
  readonly argv: readonly string[];
  /** Why it is needed, as a phrase: `port … is on host h2`. */
  readonly reason: string;
  readonly networkId?: string;
  readonly portId?: string;
  /** Keys whose failure makes this one pointless in the same round. */
  readonly needs?: readonly string[];
}

/** How one operation went; `error` holds the kernel's or the tool's words. */
export interface Outcome {
  readonly operation: Operation;
  readonly error?: string;
  /** When it was done, in milliseconds since 1970, where others are done before it is told. */
  readonly time?: number;
}

/** What a shell takes as it stands. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** The command line as `explain`, a dry run, a span and a log show it, and as a shell takes it. */
export const commandOf = ({ argv }: Pick<Operation, 'argv'>): string =>
  argv.map((word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');

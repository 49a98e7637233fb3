import type { ParseArgsOptionDescriptor } from 'node:util';
import type { Connections } from './client/connections.ts';
import type { Output } from './output/output.ts';

/** A flag of a command. */
export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  readonly short?: string;
  /** What stands for its value in the help text. */
  readonly value?: string;
  readonly doc: string;
}

export type FlagValues = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/** What a command works with. */
export interface CommandContext {
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly connections: Connections;
  readonly output: Output;
  /** Aborts at the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** One command of `weft`. */
export interface Command {
  /** Its words, e.g. `network create`. */
  readonly path: string;
  readonly summary: string;
  /** Positional arguments, `[X]` optional, `X...` any number. */
  readonly args?: readonly string[];
  readonly flags?: Readonly<Record<string, Flag>>;
  /** What it can write for `--output` besides table, json and yaml. */
  readonly formats?: readonly string[];
  /** More for `--help`. */
  readonly details?: string;
  /** Takes all that follows as it stands: for what has flags of its own. */
  readonly raw?: boolean;
  /** Resolves with the exit code; undefined means 0. */
  run(context: CommandContext): Promise<number | undefined>;
}

/** Typed access to the flags that were given. */
export class Flags {
  readonly #values: FlagValues;

  constructor(values: FlagValues) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  on(name: string): boolean {
    return this.#values[name] === true;
  }

  /** A pair of flags `--x` and `--no-x`. */
  choice(name: string): boolean | undefined {
    if (this.on(name)) return true;
    return this.on(`no-${name}`) ? false : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }
}

/** As node:util's parseArgs wants it. */
export const toDescriptor = (flag: Flag): ParseArgsOptionDescriptor => ({
  type: flag.type,
  ...(flag.multiple === true && { multiple: true }),
  ...(flag.short !== undefined && { short: flag.short }),
});

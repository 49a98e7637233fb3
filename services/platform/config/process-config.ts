import { readFileSync } from 'node:fs';
import { helpText } from './help-text.ts';
import { loadConfig } from './load-config.ts';
import type { LoadedConfig } from './load-config.ts';
import type { Settings } from './settings.ts';

export interface ProcessConfigOptions {
  /** What the help text starts with: `weft agent [flags]`. */
  readonly usage: string;
  /** The arguments; those of the process unless told. */
  readonly argv?: readonly string[];
  /** `WEFT_*` variables of other programs. */
  readonly knownEnv?: readonly string[];
}

/**
 * `loadConfig` for this process: its arguments, its environment, its files. Writes the help text to standard output and
 * returns undefined when that is asked for.
 */
export const loadProcessConfig = <const S extends Settings>(
  settings: S,
  { usage, argv = process.argv.slice(2), knownEnv = [] }: ProcessConfigOptions,
): LoadedConfig<S> | undefined => {
  const loaded = loadConfig(settings, {
    argv,
    env: process.env,
    readFile: (path) => readFileSync(path, 'utf8'),
    knownEnv,
  });
  if (!loaded.help) return loaded;
  process.stdout.write(helpText(usage, settings));
  return undefined;
};

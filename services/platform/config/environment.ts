import { didYouMean } from './nearest.ts';
import { environmentName } from './settings.ts';
import type { Settings } from './settings.ts';
import type { Complain, Given, Source } from './source.ts';
import { fromText, textKind } from './text-values.ts';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Names the file, where `--config` does not. */
export const CONFIG_VARIABLE = 'WEFT_CONFIG';

/**
 * Reads `WEFT_*`. An empty variable is as good as none: that is how compose files and unit files leave one out.
 * `knownElsewhere` are those of other programs, which may stand in the same environment.
 */
export const readEnvironment = (
  settings: Settings,
  env: Environment,
  knownElsewhere: readonly string[],
  complain: Complain,
): Source => {
  const keys = new Map(Object.keys(settings).map((key) => [environmentName(key), key]));
  const elsewhere = new Set([CONFIG_VARIABLE, ...knownElsewhere]);
  const given = new Map<string, Given>();
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('WEFT_')) continue;
    const key = keys.get(name);
    const schema = key === undefined ? undefined : settings[key]?.schema;
    if (key !== undefined && schema !== undefined) {
      if (text !== undefined && text !== '') given.set(key, { origin: name, value: fromText(textKind(schema), text) });
    } else if (!elsewhere.has(name)) {
      complain(name, `${name} is an unknown environment variable${didYouMean(name, keys.keys())}`);
    }
  }
  return given;
};

import { parse } from 'yaml';
import { toError } from '#platform/errors/domain-error.ts';
import { didYouMean } from './nearest.ts';
import { kebab } from './settings.ts';
import type { Settings } from './settings.ts';
import type { Complain, Given, Source } from './source.ts';

/** Reads the settings of a YAML file, of which JSON is a part: one mapping, the keys written as the flags are. */
export const readConfigFile = (
  settings: Settings,
  path: string,
  readFile: (path: string) => string,
  complain: Complain,
): Source => {
  const given = new Map<string, Given>();
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    complain('--config', `${path} cannot be read: ${toError(error).message}`);
    return given;
  }
  const content = mappingOf(text, path, complain);
  if (content === undefined) return given;
  const keys = new Map(Object.keys(settings).map((key) => [kebab(key), key]));
  for (const [name, value] of Object.entries(content)) {
    const key = keys.get(name);
    if (key === undefined) complain(name, `${name} in ${path} is an unknown setting${didYouMean(name, keys.keys())}`);
    else if (value !== null) given.set(key, { origin: `${name} in ${path}`, value });
  }
  return given;
};

const mappingOf = (text: string, path: string, complain: Complain): Readonly<Record<string, unknown>> | undefined => {
  let content: unknown;
  try {
    content = parse(text, { logLevel: 'error' });
  } catch (error) {
    // What yaml says goes on with an excerpt of the file; its first line has the place.
    complain('--config', `${path} is not YAML: ${toError(error).message.split('\n')[0] ?? ''}`);
    return undefined;
  }
  if (content === null) return undefined;
  if (typeof content !== 'object' || Array.isArray(content)) {
    complain('--config', `${path} is not a mapping of settings to values`);
    return undefined;
  }
  return content as Readonly<Record<string, unknown>>;
};

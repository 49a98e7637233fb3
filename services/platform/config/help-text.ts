import { CONFIG_VARIABLE } from './environment.ts';
import { environmentName, kebab } from './settings.ts';
import type { Setting, Settings } from './settings.ts';
import { choices, textKind } from './text-values.ts';

/** The `--help` of a process: every setting with its flag, its variable, its default and what it is for. */
export const helpText = (usage: string, settings: Settings): string =>
  [
    `Usage: ${usage}`,
    '',
    'Each setting may be given as a flag, as an environment variable or in a file; in that order, the first counts.',
    '',
    ...Object.entries(settings).flatMap(([key, setting]) => [
      `  ${flag(key, setting)}`,
      `      ${setting.doc}`,
      `      ${environmentName(key)}, ${defaultOf(setting)}`,
    ]),
    '  --config <file>',
    '      YAML or JSON file with settings, each under the name of its flag without the dashes',
    `      ${CONFIG_VARIABLE}, optional`,
    '  --help, -h',
    '      show this text',
    '',
  ].join('\n');

const flag = (key: string, { schema }: Setting): string => {
  const name = kebab(key);
  const kind = textKind(schema);
  if (kind === 'boolean') return `--${name}, --no-${name}`;
  const value = kind === 'list' ? '<item,item,…>' : kind === 'number' ? '<number>' : '<text>';
  return `--${name} ${choices(schema)?.join('|') ?? value}`;
};

const defaultOf = ({ schema }: Setting): string => {
  const result = schema.safeParse(undefined);
  if (!result.success) return 'required';
  if (result.data === undefined) return 'optional';
  return `default ${written(result.data)}`;
};

/** As one would write it after the flag. */
const written = (value: unknown): string => {
  if (Array.isArray(value) && value.length > 0) return value.map(written).join(',');
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
};

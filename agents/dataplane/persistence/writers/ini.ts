import { invalidField } from '#platform/errors/domain-error.ts';
import type { Setting } from './writer.ts';

/** A section with its keys, in order; an undefined value leaves the key out. */
export type Section = readonly [name: string, keys: Readonly<Record<string, string | readonly string[] | undefined>>];

// What devices, addresses, numbers and names come to. Nothing that ends a value, quotes, expands or begins a comment.
const PLAIN = /^[A-Za-z0-9_.:/@+-][A-Za-z0-9_.:/@+ =,-]*$/;

/** A value that stands in every format for itself. Throws `invalid` for any other: nothing of it is ever escaped. */
export const plain = (key: string, value: string): string => {
  if (!PLAIN.test(value) || value.endsWith(' ')) {
    throw invalidField(key, value, 'has characters that no value of a configuration file may have');
  }
  return value;
};

/** `[section]`, `key=value`; a key with several values is written several times. */
export const renderIni = (header: string, sections: readonly Section[]): string =>
  `${header}${sections.map(renderSection).join('\n')}`;

const renderSection = ([name, keys]: Section): string => {
  const lines = Object.entries(keys).flatMap(([key, value]) => {
    const values = value === undefined ? [] : typeof value === 'string' ? [value] : value;
    return values.map((each) => `${key}=${plain(key, each)}\n`);
  });
  return `[${name}]\n${lines.join('')}`;
};

/** The settings of a file of sections. What is no setting says nothing. */
export const readIni = (text: string): readonly Setting[] => {
  const settings: Setting[] = [];
  let section = '';
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const name = /^\[(?<name>[^\]]*)\]$/.exec(line)?.groups?.['name'];
    if (name !== undefined) {
      section = name;
      continue;
    }
    const split = line.indexOf('=');
    if (split > 0) settings.push({ section, key: line.slice(0, split).trim(), value: line.slice(split + 1).trim() });
  }
  return settings;
};

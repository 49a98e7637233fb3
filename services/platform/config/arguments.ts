import { didYouMean } from './nearest.ts';
import { kebab } from './settings.ts';
import type { Settings } from './settings.ts';
import type { Complain, Given, Source } from './source.ts';
import { fromText, textKind } from './text-values.ts';
import type { TextKind } from './text-values.ts';

export interface Arguments {
  readonly given: Source;
  /** What `--config` names. */
  readonly configFile: string | undefined;
  /** Whether `--help` or `-h` is there. */
  readonly help: boolean;
  /** What is no flag, in order, and all after `--`. */
  readonly rest: readonly string[];
}

type Flag =
  | { readonly does: 'help' }
  | { readonly does: 'config' }
  | { readonly does: 'switch'; readonly key: string; readonly value: boolean }
  | { readonly does: 'set'; readonly key: string; readonly kind: TextKind };

/** Reads `--flag value`, `--flag=value`, `--switch` and `--no-switch`. Lists add up; else the last of a flag counts. */
export const readArguments = (settings: Settings, argv: readonly string[], complain: Complain): Arguments => {
  const flags = flagsOf(settings);
  const given = new Map<string, Given>();
  const rest: string[] = [];
  let configFile: string | undefined;
  let help = false;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (word === '--') {
      rest.push(...argv.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      rest.push(word);
      continue;
    }
    const { name, inline } = split(word);
    const flag = flags.get(name);
    if (flag === undefined) {
      complain(name, `${name} is an unknown flag${didYouMean(name, flags.keys())}`);
      continue;
    }
    if (flag.does === 'help') {
      help = true;
      continue;
    }
    if (flag.does === 'switch') {
      if (inline === undefined) given.set(flag.key, { origin: name, value: flag.value });
      else if (flag.value) given.set(flag.key, { origin: name, value: fromText('boolean', inline) });
      else complain(name, `${name} takes no value`);
      continue;
    }
    let text = inline;
    if (text === undefined) {
      const next = argv[at + 1];
      if (next === undefined || next.startsWith('--')) {
        complain(name, `${name} needs a value`);
        continue;
      }
      text = next;
      at += 1;
    }
    if (flag.does === 'config') configFile = text;
    else given.set(flag.key, { origin: name, value: added(given.get(flag.key), fromText(flag.kind, text)) });
  }
  return { given, configFile, help, rest };
};

const flagsOf = (settings: Settings): ReadonlyMap<string, Flag> => {
  const flags = new Map<string, Flag>([
    ['--help', { does: 'help' }],
    ['-h', { does: 'help' }],
    ['--config', { does: 'config' }],
  ]);
  for (const [key, { schema }] of Object.entries(settings)) {
    const kind = textKind(schema);
    if (kind === 'boolean') {
      flags.set(`--${kebab(key)}`, { does: 'switch', key, value: true });
      flags.set(`--no-${kebab(key)}`, { does: 'switch', key, value: false });
    } else flags.set(`--${kebab(key)}`, { does: 'set', key, kind });
  }
  return flags;
};

const split = (word: string): { readonly name: string; readonly inline: string | undefined } => {
  const equals = word.indexOf('=');
  return equals === -1
    ? { name: word, inline: undefined }
    : { name: word.slice(0, equals), inline: word.slice(equals + 1) };
};

const added = (before: Given | undefined, value: unknown): unknown =>
  Array.isArray(before?.value) && Array.isArray(value)
    ? [...(before.value as unknown[]), ...(value as unknown[])]
    : value;

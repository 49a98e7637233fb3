import type { z } from 'zod';

/** How a setting is written as text: what flags and the environment are read as before the schema sees them. */
export type TextKind = 'boolean' | 'number' | 'list' | 'text';

/** The kind by what the schema takes, looking through defaults, options, pipes and the like. */
export const textKind = (schema: z.core.$ZodType): TextKind => {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'boolean') return 'boolean';
  if (def.type === 'number') return 'number';
  if (def.type === 'array') return 'list';
  if (def.type === 'pipe') return textKind(def.in);
  // Defaults, options and the like wrap what they are about.
  return 'innerType' in def ? textKind(def.innerType) : 'text';
};

/** The choices of an enumeration, for the help text. */
export const choices = (schema: z.core.$ZodType): readonly string[] | undefined => {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'enum') return Object.values(def.entries).map(String);
  return 'innerType' in def ? choices(def.innerType) : undefined;
};

const WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
};

/** Reads text as its kind; text that is not of the kind stays as it is, for the schema to complain about. */
export const fromText = (kind: TextKind, text: string): unknown => {
  switch (kind) {
    case 'boolean':
      return Object.hasOwn(WORDS, text.toLowerCase()) ? WORDS[text.toLowerCase()] : text;
    case 'number':
      return /^[+-]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'text':
      return text;
  }
};

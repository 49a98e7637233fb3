import type { z } from 'zod';

/** One setting: what it is for, and what values it takes. Its default is the schema's (`.default(…)`, `.optional()`). */
export interface Setting<Schema extends z.ZodType = z.ZodType> {
  /** A phrase for the help text: `address to listen on`. */
  readonly doc: string;
  readonly schema: Schema;
}

/** All settings of a process. Keys in camelCase: `graceMs` is `--grace-ms`, `WEFT_GRACE_MS`, and `grace-ms` in the file. */
export type Settings = Readonly<Record<string, Setting>>;

/** What the schemas of `S` make of what was given. */
export type Values<S extends Settings> = { readonly [Key in keyof S]: z.output<S[Key]['schema']> };

/** Declares one setting. */
export const setting = <Schema extends z.ZodType>(doc: string, schema: Schema): Setting<Schema> => ({ doc, schema });

const KEY = /^[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)*$/;
/** Every process has these, so no setting may be called that. */
const BUILT_IN = new Set(['config', 'help']);

/** Declares the settings of a process, in the order of its help text. Throws for a key that makes no flag of its own. */
export const defineSettings = <const S extends Settings>(settings: S): S => {
  for (const key of Object.keys(settings)) {
    if (!KEY.test(key) || BUILT_IN.has(key) || /^no[A-Z]/.test(key)) {
      throw new TypeError(`${JSON.stringify(key)} cannot be the key of a setting`);
    }
  }
  return settings;
};

/** `graceMs` → `grace-ms`: the flag without its dashes, and the key in the file. */
export const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** `graceMs` → `WEFT_GRACE_MS`. */
export const environmentName = (key: string): string => `WEFT_${kebab(key).replaceAll('-', '_').toUpperCase()}`;

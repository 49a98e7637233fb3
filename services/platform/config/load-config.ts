import type { z } from 'zod';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { FieldViolation } from '#platform/errors/domain-error.ts';
import { readArguments } from './arguments.ts';
import { readConfigFile } from './config-file.ts';
import { CONFIG_VARIABLE, readEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import { environmentName, kebab } from './settings.ts';
import type { Settings, Values } from './settings.ts';
import type { Complain, Given } from './source.ts';

export interface ConfigSources {
  /** The arguments, without the program's name. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** Throws when it cannot. */
  readonly readFile: (path: string) => string;
  /** `WEFT_*` variables of other programs: ignored here rather than unknown. */
  readonly knownEnv?: readonly string[];
}

export interface LoadedConfig<S extends Settings> {
  readonly values: Values<S>;
  /** The arguments that are no flags, in order. */
  readonly rest: readonly string[];
}

/**
 * Loads the settings of a process: flag before environment before file (`--config`, else `WEFT_CONFIG`) before default.
 * Returns `{ help: true }` when help is asked for, whatever else is wrong. Throws one DomainError `invalid` that names
 * everything wrong in all sources.
 */
export const loadConfig = <const S extends Settings>(
  settings: S,
  { argv, env, readFile, knownEnv = [] }: ConfigSources,
): ({ readonly help: false } & LoadedConfig<S>) | { readonly help: true } => {
  const violations: FieldViolation[] = [];
  const complain: Complain = (field, description) => {
    violations.push({ field, description });
  };
  const args = readArguments(settings, argv, complain);
  if (args.help) return { help: true };
  const environment = readEnvironment(settings, env, knownEnv, complain);
  const path = args.configFile ?? env[CONFIG_VARIABLE] ?? '';
  const file = path === '' ? new Map<string, Given>() : readConfigFile(settings, path, readFile, complain);
  const values: Record<string, unknown> = {};
  for (const [key, { schema }] of Object.entries(settings)) {
    const given = args.given.get(key) ?? environment.get(key) ?? file.get(key);
    values[key] = checked(key, schema, given, complain);
  }
  if (violations.length > 0) throw badConfiguration(violations);
  // Each value is what the schema of its own key made of it.
  return { help: false, values: values as Values<S>, rest: args.rest };
};

const checked = (key: string, schema: z.ZodType, given: Given | undefined, complain: Complain): unknown => {
  const result = schema.safeParse(given?.value);
  if (result.success) return result.data;
  if (given === undefined) {
    complain(
      kebab(key),
      `${kebab(key)} is required: give --${kebab(key)} or ${environmentName(key)}, or set it in the file`,
    );
    return undefined;
  }
  for (const { path, message } of result.error.issues) {
    const place = path.map((part) => `[${String(part)}]`).join('');
    complain(kebab(key), `${given.origin}${place}: ${shown(at(given.value, path))}: ${message}`);
  }
  return undefined;
};

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (within, part) =>
      typeof within === 'object' && within !== null ? (within as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  );

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? 'nothing' : text.length > 80 ? `${text.slice(0, 77)}...` : text;
};

const badConfiguration = (violations: readonly FieldViolation[]): DomainError => {
  const [first, ...others] = violations.map((violation) => violation.description);
  const message = others.length === 0 ? (first ?? '') : ['these settings are wrong:', first, ...others].join('\n  ');
  return new DomainError('invalid', 'BAD_CONFIGURATION', message, { violations });
};

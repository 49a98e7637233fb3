import { DomainError } from '#platform/errors/domain-error.ts';

/** What JSON text can say. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** The value as an array, where it is one. */
export const asArray = (value: unknown): readonly unknown[] | undefined =>
  Array.isArray(value) ? (value as readonly unknown[]) : undefined;

/** The value as an object, where it is one. */
export const asObject = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;

/** `internal`: what ovsdb-server sent at `where` is not what RFC 7047 or the schema says. */
export const malformed = (where: string, value: unknown, rule: string): DomainError => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return new DomainError('internal', 'OVSDB_MALFORMED', `ovsdb-server sent ${where}: ${shown} ${rule}`);
};

import { randomUUID } from 'node:crypto';
import { invalidField } from '#platform/errors/domain-error.ts';
import { parseUuid, type Uuid } from '#platform/net/names.ts';
import type { Duration } from '#proto/google/protobuf/duration.ts';
import type { Mutation } from '../app/environment.ts';
import { derivedId } from '../domain/derived-id.ts';

/** Milliseconds since 1970 as the wire has them. */
export const timestamp = (ms: number): string => new Date(ms).toISOString();

/** Throws `invalid` when a message is not there. */
export const required = <T>(field: string, message: T | undefined): T => {
  if (message === undefined) throw invalidField(field, '', 'is required');
  return message;
};

/** A value that may be missing. */
export const optional = <Wire, T>(
  parse: (field: string, value: Wire) => T,
  field: string,
  value: Wire,
): T | undefined => (value === '' || value === 0 ? undefined : parse(field, value));

const LEASE = { default: 15_000, min: 1_000, max: 3_600_000 } as const;

/** A lease's milliseconds. Throws `invalid` outside of 1 s to 1 h. */
export const readLease = (field: string, duration: Duration | undefined): number => {
  if (duration === undefined) return LEASE.default;
  const ms = Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
  if (!(ms >= LEASE.min && ms <= LEASE.max))
    throw invalidField(field, `${(ms / 1_000).toString()}s`, 'is not from 1 s to 1 h');
  return Math.round(ms);
};

/** A generation as the wire has it; beyond what one can be, the number is as good as any other. */
export const readGeneration = (text: string): number => Math.min(Number(text), Number.MAX_SAFE_INTEGER);

const MAX_SENTENCE = 1_024;

/** A sentence for people, from a program: what moves a cursor becomes a space. Throws `invalid` when empty or too long. */
export const readSentence = (field: string, text: string): string => {
  if (text.length > MAX_SENTENCE)
    throw invalidField(field, text, `is longer than ${MAX_SENTENCE.toString()} characters`);
  const sentence = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  if (sentence === '') throw invalidField(field, text, 'is required');
  return sentence;
};

interface MutationFields {
  readonly request_id: string;
  readonly validate_only: boolean;
}

/** How a request asks to be done. `body`: its bytes. Throws `invalid` for a request id that is not a UUID. */
export const mutationOf = (cause: string, request: MutationFields, body: Uint8Array): Mutation => {
  const requestId = request.request_id === '' ? '' : parseUuid('request_id', request.request_id);
  return { cause, request: { requestId, method: cause, body }, validateOnly: request.validate_only };
};

/** The id of what is created: the one given, or one that a repetition of the request has again. */
export const newId = (field: string, given: string, mutation: Mutation): Uuid => {
  if (given !== '') return parseUuid(field, given);
  const { requestId } = mutation.request;
  return requestId === '' ? (randomUUID() as string as Uuid) : derivedId(mutation.cause, requestId);
};

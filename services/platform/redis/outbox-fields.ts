import { DomainError } from '#platform/errors/domain-error.ts';
import type { OutgoingEvent, StoredEvent } from '#platform/store/store.ts';

/** An event as the commit script takes it: subject, payload, headers. */
export const eventFields = ({ subject, payload, headers }: OutgoingEvent): readonly [string, Buffer, string] => [
  subject,
  // The client writes a Buffer as it is and would print any other view; this is a view too, not a copy.
  Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
  JSON.stringify(headers),
];

/** Reads an entry of the outbox stream; `fields` are names and values in turn. */
export const toStoredEvent = (id: Buffer, fields: readonly Buffer[]): StoredEvent => {
  const values = new Map<string, Buffer>();
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [name, value] = fields.slice(at, at + 2);
    if (name !== undefined && value !== undefined) values.set(name.toString(), value);
  }
  const subject = values.get('s');
  const payload = values.get('p');
  if (subject === undefined || payload === undefined) {
    throw new DomainError('internal', 'OUTBOX_UNREADABLE', `outbox entry ${id.toString()} has no subject or payload`);
  }
  return { id: id.toString(), subject: subject.toString(), payload, headers: toHeaders(values.get('h')) };
};

const toHeaders = (text: Buffer | undefined): Readonly<Record<string, string>> => {
  const parsed: unknown = text === undefined ? {} : JSON.parse(text.toString());
  if (typeof parsed !== 'object' || parsed === null) return {};
  return Object.fromEntries(
    Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
};

import { createHash } from 'node:crypto';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { IdempotentRequest } from '#platform/store/idempotency.ts';
import { parseUuid } from '#platform/net/names.ts';

/** The collection in which the store remembers answered requests, so that one id is one request in all of the service. */
export const REPLAYS = 'replay';

/** What identifies a request: its id in canonical form, and a fingerprint of the rest. Undefined: it has no id. */
export const printOf = ({
  requestId,
  method,
  body,
}: IdempotentRequest): { readonly id: string; readonly print: string } | undefined => {
  if (requestId === '') return undefined;
  const print = createHash('sha256').update(method).update('\0').update(body).digest('base64url');
  return { id: parseUuid('request_id', requestId), print };
};

/** As the store says it. */
export const requestIdReused = (id: string): DomainError => {
  const { violations } = invalidField('request_id', id, 'was used for another request; take a new UUID');
  return new DomainError('invalid', 'REQUEST_ID_REUSED', `request_id ${id} was used for another request`, {
    violations,
  });
};

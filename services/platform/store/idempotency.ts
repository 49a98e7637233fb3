import { createHash } from 'node:crypto';
import { DomainError, invalidField } from '#platform/errors/domain-error.ts';
import type { Collection, Transaction } from './store.ts';

const KEPT_SECONDS = 24 * 60 * 60;
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

/** A request as far as telling it from another goes. */
export interface IdempotentRequest {
  /** A UUID, or empty: then the request is simply done. */
  readonly requestId: string;
  /** The full method name. */
  readonly method: string;
  /** The request's content in a form that is the same whenever the request is. */
  readonly body: Uint8Array | string;
}

interface Replay {
  readonly request: string;
  readonly answer: string;
}

const isReplay = (value: unknown): value is Replay =>
  typeof value === 'object' &&
  value !== null &&
  'request' in value &&
  typeof value.request === 'string' &&
  'answer' in value &&
  typeof value.answer === 'string';

const replays: Collection<Replay> = {
  name: 'replay',
  encode: (replay) => JSON.stringify(replay),
  decode: (text) => {
    const value: unknown = JSON.parse(text);
    if (!isReplay(value)) throw new TypeError('not a replay record');
    return value;
  },
};

const fingerprint = ({ method, body }: IdempotentRequest): string =>
  createHash('sha256').update(method).update('\0').update(body).digest('base64url');

/**
 * Does `work` once per request id: its answer (a JSON text) is kept for 24 hours in the same commit as what it wrote, and
 * the same request gets it again without doing anything. Only successes are kept. Throws `invalid`: on the field
 * `request_id` when it is not a UUID, REQUEST_ID_REUSED when it came with another method or content before.
 */
export const withRequestId = async (
  tx: Transaction,
  request: IdempotentRequest,
  work: () => Promise<string>,
): Promise<string> => {
  if (request.requestId === '') return await work();
  const id = request.requestId.toLowerCase();
  if (!UUID.test(id)) throw invalidField('request_id', request.requestId, 'must be a UUID');
  const known = await tx.get(replays, id);
  if (known === undefined) {
    const answer = await work();
    tx.put(replays, id, { request: fingerprint(request), answer }, 'absent', KEPT_SECONDS);
    return answer;
  }
  if (known.value.request !== fingerprint(request)) {
    throw new DomainError('invalid', 'REQUEST_ID_REUSED', `request_id ${id} was used for another request`, {
      violations: [{ field: 'request_id', description: `${id} was used for another request; take a new UUID` }],
    });
  }
  return known.value.answer;
};

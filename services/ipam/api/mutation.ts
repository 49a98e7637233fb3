import { parseUuid } from '#platform/net/names.ts';
import type { CallContext } from '#platform/rpc/handlers.ts';
import type { Mutation } from '../app/mutation.ts';

interface MutatingMessage {
  readonly request_id: string;
  readonly validate_only: boolean;
}

interface Codec<M> {
  encode(message: M): { finish(): Uint8Array };
}

/** What every mutating request has in common. Throws `invalid` for a request id that is no UUID. */
export const mutationOf = <M extends MutatingMessage>(
  codec: Codec<M>,
  message: M,
  { method }: CallContext,
): Mutation => {
  const requestId = message.request_id === '' ? '' : parseUuid('request_id', message.request_id);
  // Without an id nobody will compare it.
  const body = requestId === '' ? '' : codec.encode({ ...message, request_id: '' }).finish();
  return { request: { requestId, method, body }, validateOnly: message.validate_only };
};

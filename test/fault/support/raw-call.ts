import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { BadRequest, ErrorInfo, type BadRequest_FieldViolation } from '#proto/google/rpc/error_details.ts';
import { Status } from '#proto/google/rpc/status.ts';
import type { MethodShape } from '#platform/rpc/definition.ts';

/** How a call of raw bytes ended. */
export interface RawOutcome {
  /** The status' name, e.g. `INVALID_ARGUMENT`; `OPEN` for a stream that answered, or still ran when it was left. */
  readonly code: string;
  readonly message: string;
  readonly reason: string;
  readonly violations: readonly BadRequest_FieldViolation[];
}

/** Sends bytes as they are, whatever they are: what no generated client would send. */
export class RawCaller implements Disposable {
  readonly #clients = new Map<string, Client>();

  async call(address: string, method: MethodShape, bytes: Uint8Array): Promise<RawOutcome> {
    return method.responseStream
      ? await this.#stream(address, method, bytes)
      : await this.#unary(address, method, bytes);
  }

  async #unary(address: string, method: MethodShape, bytes: Uint8Array): Promise<RawOutcome> {
    const { promise, resolve } = Promise.withResolvers<RawOutcome>();
    const options = { deadline: Date.now() + 10_000 };
    this.#client(address).makeUnaryRequest(
      method.path,
      Buffer.from,
      (b: Buffer) => b,
      Buffer.from(bytes),
      new Metadata(),
      options,
      (error) => {
        resolve(error === null ? OK : outcomeOf(error));
      },
    );
    return await promise;
  }

  /** Until the first message, the end, or a moment without either. */
  async #stream(address: string, method: MethodShape, bytes: Uint8Array): Promise<RawOutcome> {
    const { promise, resolve } = Promise.withResolvers<RawOutcome>();
    const options = { deadline: Date.now() + 10_000 };
    const call = this.#client(address).makeServerStreamRequest(
      method.path,
      Buffer.from,
      (b: Buffer) => b,
      Buffer.from(bytes),
      new Metadata(),
      options,
    );
    const open = { ...OK, code: 'OPEN' };
    const timer = setTimeout(() => {
      resolve(open);
    }, STREAM_MS);
    call.on('error', (error: ServiceError) => {
      resolve(outcomeOf(error));
    });
    call.on('data', () => {
      resolve(open);
    });
    call.on('end', () => {
      resolve(OK);
    });
    const outcome = await promise;
    clearTimeout(timer);
    call.cancel();
    return outcome;
  }

  #client(address: string): Client {
    const known = this.#clients.get(address);
    if (known !== undefined) return known;
    const limit = { 'grpc.max_send_message_length': -1, 'grpc.use_local_subchannel_pool': 1 };
    const made = new Client(address, credentials.createInsecure(), limit);
    this.#clients.set(address, made);
    return made;
  }

  [Symbol.dispose](): void {
    for (const each of this.#clients.values()) each.close();
  }
}

const STREAM_MS = 300;
const OK: RawOutcome = { code: 'OK', message: '', reason: '', violations: [] };

const outcomeOf = (error: ServiceError): RawOutcome => {
  const [packed] = error.metadata.get('grpc-status-details-bin');
  const details = packed instanceof Uint8Array ? Status.decode(packed).details : [];
  const detail = (type: string): Uint8Array =>
    details.find(({ type_url }) => type_url.endsWith(`/${type}`))?.value ?? new Uint8Array();
  return {
    code: status[error.code] ?? error.code.toString(),
    message: error.details,
    reason: ErrorInfo.decode(detail('google.rpc.ErrorInfo')).reason,
    violations: BadRequest.decode(detail('google.rpc.BadRequest')).field_violations,
  };
};

import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { aborted } from '#platform/async/aborted.ts';
import { notFound } from '#platform/errors/domain-error.ts';
import { type RpcService, serverStream, service, unary } from './handlers.ts';

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
export const SERVING = 1;
export const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

/** What of a server serves; the empty name is the server as a whole. */
export class Health {
  readonly #statuses = new Map<string, number>();
  #changed = Promise.withResolvers<void>();

  set(name: string, state: typeof SERVING | typeof NOT_SERVING): void {
    this.#statuses.set(name, state);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Sets all names at once. */
  setAll(state: typeof SERVING | typeof NOT_SERVING): void {
    for (const name of this.#statuses.keys()) this.set(name, state);
  }

  get(name: string): number | undefined {
    return this.#statuses.get(name);
  }

  /** The status now and whenever it has changed, until the signal aborts. */
  async *watch(name: string, signal: AbortSignal): AsyncGenerator<number, void> {
    using abort = aborted(signal);
    let told: number | undefined;
    for (;;) {
      const changed = this.#changed.promise;
      const current = this.#statuses.get(name) ?? SERVICE_UNKNOWN;
      if (current !== told) yield current;
      told = current;
      await Promise.race([changed, abort.promise]);
    }
  }
}

/** The standard health service, grpc.health.v1. */
export const healthService = (health: Health): RpcService =>
  service(HEALTH_DEFINITION, {
    check: unary(({ service: name }) => {
      const status = health.get(name);
      return status === undefined ? Promise.reject(notFound('service', name)) : Promise.resolve({ status });
    }),
    watch: serverStream(async function* ({ service: name }, { signal }) {
      for await (const status of health.watch(name, signal)) yield { status };
    }),
  });

interface HealthRequest {
  readonly service: string;
}

interface HealthResponse {
  readonly status: number;
}

// By hand: two fields do not pay for a code generator, nor for a package.
const codecs = {
  requestSerialize: (request: HealthRequest): Buffer =>
    Buffer.from(new BinaryWriter().uint32(10).string(request.service).finish()),
  requestDeserialize: (bytes: Buffer): HealthRequest => ({
    service: onlyField(bytes, 10, (reader) => reader.string()) ?? '',
  }),
  responseSerialize: (response: HealthResponse): Buffer =>
    Buffer.from(new BinaryWriter().uint32(8).int32(response.status).finish()),
  responseDeserialize: (bytes: Buffer): HealthResponse => ({
    status: onlyField(bytes, 8, (reader) => reader.int32()) ?? 0,
  }),
};

/** Definition of grpc.health.v1.Health, as generated code would have it. */
export const HEALTH_DEFINITION = {
  check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...codecs },
  watch: { path: '/grpc.health.v1.Health/Watch', requestStream: false, responseStream: true, ...codecs },
} as const;

const onlyField = <T>(bytes: Buffer, wanted: number, read: (reader: BinaryReader) => T): T | undefined => {
  const reader = new BinaryReader(bytes);
  let value: T | undefined;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === wanted) value = read(reader);
    else reader.skip(tag & 7);
  }
  return value;
};

/**
 * A FileDescriptorSet with grpc/health/v1/health.proto, as `buf build --as-file-descriptor-set` compiles the standard's
 * file: what reflection tells of the health service.
 */
export const healthDescriptors = (): Uint8Array =>
  Buffer.from(
    [
      'CsoDChtncnBjL2hlYWx0aC92MS9oZWFsdGgucHJvdG8SDmdycGMuaGVhbHRoLnYxIi4KEkhlYWx0aENoZWNrUmVxdWVzdBIYCgdzZXJ2aWNlGA',
      'EgASgJUgdzZXJ2aWNlIrEBChNIZWFsdGhDaGVja1Jlc3BvbnNlEkkKBnN0YXR1cxgBIAEoDjIxLmdycGMuaGVhbHRoLnYxLkhlYWx0aENoZWNr',
      'UmVzcG9uc2UuU2VydmluZ1N0YXR1c1IGc3RhdHVzIk8KDVNlcnZpbmdTdGF0dXMSCwoHVU5LTk9XThAAEgsKB1NFUlZJTkcQARIPCgtOT1RfU0',
      'VSVklORxACEhMKD1NFUlZJQ0VfVU5LTk9XThADMq4BCgZIZWFsdGgSUAoFQ2hlY2sSIi5ncnBjLmhlYWx0aC52MS5IZWFsdGhDaGVja1JlcXVl',
      'c3QaIy5ncnBjLmhlYWx0aC52MS5IZWFsdGhDaGVja1Jlc3BvbnNlElIKBVdhdGNoEiIuZ3JwYy5oZWFsdGgudjEuSGVhbHRoQ2hlY2tSZXF1ZX',
      'N0GiMuZ3JwYy5oZWFsdGgudjEuSGVhbHRoQ2hlY2tSZXNwb25zZTABYgZwcm90bzM=',
    ].join(''),
    'base64',
  );

import {
  type handleBidiStreamingCall,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { DescriptorIndex } from './descriptor-index.ts';
import { healthDescriptors } from './health.ts';

/** What reflection is asked, by the numbers of the fields in `ServerReflectionRequest.message_request`. */
interface ReflectionRequest {
  readonly bytes: Uint8Array;
  readonly question: number;
  readonly text: string;
}

const FILE_BY_FILENAME = 3;
const FILE_CONTAINING_SYMBOL = 4;
const LIST_SERVICES = 7;

/**
 * Server reflection, v1 and v1alpha (the same messages under two names), from a FileDescriptorSet as `buf build
 * --as-file-descriptor-set` writes it: exact, unlike what can be had from loaded code, which is why strict clients can use
 * it. Lists `services`, the fully qualified names served.
 */
export const reflectionServices = (
  descriptors: Uint8Array,
  services: readonly string[],
): readonly { readonly definition: ServiceDefinition; readonly implementation: UntypedServiceImplementation }[] => {
  const answer = answers(descriptors, services);
  const serverReflectionInfo: handleBidiStreamingCall<ReflectionRequest, Uint8Array> = (call) => {
    call.on('data', (request: ReflectionRequest) => {
      if (call.write(answered(answer, request))) return;
      call.pause();
      call.once('drain', () => call.resume());
    });
    call.on('end', () => {
      call.end();
    });
  };
  return ['v1', 'v1alpha'].map((version) => ({
    definition: {
      serverReflectionInfo: {
        path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
        requestStream: true,
        responseStream: true,
        requestSerialize: (request: ReflectionRequest) => Buffer.from(request.bytes),
        requestDeserialize: readRequest,
        responseSerialize: (response: Uint8Array) => Buffer.from(response),
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    implementation: { serverReflectionInfo },
  }));
};

// Nothing may be thrown from a listener: it would end the process.
const answered = (answer: (request: ReflectionRequest) => Uint8Array, request: ReflectionRequest): Uint8Array => {
  try {
    return answer(request);
  } catch {
    return response(request, 7, errorOf(status.INTERNAL, 'the descriptors of this server cannot be read'));
  }
};

const answers = (
  descriptors: Uint8Array,
  services: readonly string[],
): ((request: ReflectionRequest) => Uint8Array) => {
  // Built when somebody asks for the first time: most servers never are.
  let built: DescriptorIndex | undefined;
  const index = (): DescriptorIndex => (built ??= new DescriptorIndex(descriptors, healthDescriptors()));
  return (request) => {
    switch (request.question) {
      case LIST_SERVICES:
        return response(request, 6, listed(services));
      case FILE_BY_FILENAME:
        return files(request, index(), request.text);
      case FILE_CONTAINING_SYMBOL:
        return files(request, index(), index().fileOf(request.text));
      default:
        return response(request, 7, errorOf(status.UNIMPLEMENTED, 'not answered here'));
    }
  };
};

const files = (request: ReflectionRequest, index: DescriptorIndex, name: string | undefined): Uint8Array => {
  const known = name === undefined ? undefined : index.withImports(name);
  if (known === undefined) return response(request, 7, errorOf(status.NOT_FOUND, `${request.text} is not known here`));
  const found = new BinaryWriter();
  for (const bytes of known) found.uint32(tag(1, 2)).bytes(bytes);
  return response(request, 4, found.finish());
};

const tag = (field: number, wireType: number): number => (field << 3) | wireType;

const listed = (services: readonly string[]): Uint8Array => {
  const list = new BinaryWriter();
  for (const name of services) list.uint32(tag(1, 2)).fork().uint32(tag(1, 2)).string(name).join();
  return list.finish();
};

const errorOf = (code: status, message: string): Uint8Array =>
  new BinaryWriter().uint32(tag(1, 0)).int32(code).uint32(tag(2, 2)).string(message).finish();

/** ServerReflectionResponse: the request again and, in field `kind`, the answer. */
const response = (request: ReflectionRequest, kind: number, answer: Uint8Array): Uint8Array =>
  new BinaryWriter().uint32(tag(2, 2)).bytes(request.bytes).uint32(tag(kind, 2)).bytes(answer).finish();

/** Bytes that are no request ask nothing. */
const readRequest = (bytes: Buffer): ReflectionRequest => {
  try {
    const reader = new BinaryReader(bytes);
    let asked = { question: 0, text: '' };
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field >= FILE_BY_FILENAME && wireType === 2) {
        const value = reader.bytes();
        asked = { question: field, text: Buffer.from(value).toString('utf8') };
      } else reader.skip(wireType, field);
    }
    return { bytes, ...asked };
  } catch {
    return { bytes: new Uint8Array(), question: 0, text: '' };
  }
};

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { fromBinary } from '@bufbuild/protobuf';
import { nullLog } from '#platform/log/log.ts';
import { type Trace, TraceServiceService } from '#proto/weft/trace/v1/trace.ts';
import { DescriptorIndex } from './descriptor-index.ts';
import { service, unary } from './handlers.ts';
import { healthDescriptors } from './health.ts';
import { rpcServer } from './server.ts';

const descriptors = await readFile(new URL('../../../proto/gen/descriptors.binpb', import.meta.url));

describe('the index of descriptors', () => {
  const index = new DescriptorIndex(descriptors, healthDescriptors());
  test.each([
    ['weft.trace.v1.TraceService', 'weft/trace/v1/trace.proto'],
    ['weft.trace.v1.TraceService.GetTrace', 'weft/trace/v1/trace.proto'],
    ['weft.trace.v1.Span.AttributesEntry', 'weft/trace/v1/trace.proto'],
    ['weft.trace.v1.Span.name', 'weft/trace/v1/trace.proto'],
    ['google.rpc.BadRequest.FieldViolation', 'google/rpc/error_details.proto'],
    ['grpc.health.v1.Health', 'grpc/health/v1/health.proto'],
    ['weft.trace.v1.Nothing', undefined],
    ['', undefined],
  ])('%s is in %s', (symbol, file) => {
    expect(index.fileOf(symbol)).toBe(file);
  });

  test('gives a file with all that it needs, each as it was compiled', () => {
    const files = index
      .withImports('google/rpc/status.proto')
      ?.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    expect(files?.map(({ name }) => name)).toEqual(['google/rpc/status.proto', 'google/protobuf/any.proto']);
    expect(index.withImports('nothing.proto')).toBeUndefined();
  });

  test('refuses bytes that are no descriptors', () => {
    expect(() => new DescriptorIndex(Buffer.from([0x0a, 0x7f, 0x01]))).toThrow();
  });
});

test('a strict client needs nothing but the address', { timeout: 30_000 }, async () => {
  const trace: Trace = {
    trace_id: 'ab',
    spans: [
      {
        span_id: '01',
        parent_span_id: '',
        name: 'port.detect',
        service: 'weft-agent',
        host_id: 'a',
        start_unix_nano: '18446744073709551615',
        end_unix_nano: '0',
        attributes: { 'weft.port.id': 'p1' },
        commands: [],
        error: '',
        linked_trace_ids: [],
      },
    ],
  };
  const traces = service(TraceServiceService, {
    listTraces: unary(() => Promise.resolve({ traces: [] })),
    getTrace: unary(() => Promise.resolve(trace)),
  });
  const server = rpcServer({ name: 'traces', listen: ['127.0.0.1:0'], services: [traces], descriptors, log: nullLog });
  await server.start(AbortSignal.timeout(1_000));
  const base = `http://${server.addresses[0] ?? ''}`;
  const curl = async (...args: readonly string[]): Promise<string> => {
    const buf = new URL('../../../node_modules/.bin/buf', import.meta.url).pathname;
    return (await promisify(execFile)(buf, ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args])).stdout;
  };
  try {
    const methods = (await curl('--list-methods', base)).trim().split('\n');
    expect(methods).toEqual([
      'grpc.health.v1.Health/Check',
      'grpc.health.v1.Health/Watch',
      'weft.trace.v1.TraceService/GetTrace',
      'weft.trace.v1.TraceService/ListTraces',
    ]);
    expect(
      JSON.parse(await curl('-d', '{"traceId":"ab"}', `${base}/weft.trace.v1.TraceService/GetTrace`)),
    ).toMatchObject({
      spans: [{ startUnixNano: '18446744073709551615', attributes: { 'weft.port.id': 'p1' } }],
    });
    const health = ['-d', '{"service":"weft.trace.v1.TraceService"}', `${base}/grpc.health.v1.Health/Check`];
    expect(JSON.parse(await curl('--reflect-protocol', 'grpc-v1alpha', ...health))).toEqual({ status: 'SERVING' });
  } finally {
    await server.stop(AbortSignal.timeout(1_000));
  }
});

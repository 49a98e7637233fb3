import { eventually } from '#platform/testing/eventually.ts';
import { otlpReceiver } from './otlp-receiver.ts';
import { telemetry } from './setup.ts';
import type { SpanRecord } from './span-record.ts';
import { type StoredTrace, TraceStore } from './trace-store.ts';

export interface RecordedTelemetry extends AsyncDisposable {
  readonly store: TraceStore;
  /** The trace once it has `spans` spans, by the way of the wire. */
  trace(traceId: string, spans: number): Promise<StoredTrace>;
}

/** Telemetry that is on within a scope and sends to a receiver of its own. */
export const recordedTelemetry = async (
  options: { readonly sampleRatio?: number } = {},
): Promise<RecordedTelemetry> => {
  const soon = (): AbortSignal => AbortSignal.timeout(2_000);
  const store = new TraceStore();
  const receiver = otlpReceiver({ listen: '127.0.0.1:0', store });
  await receiver.start(soon());
  const otlpEndpoints = [`http://${receiver.address ?? ''}`];
  const sdk = telemetry({
    service: 'weft-test',
    instance: 'one',
    otlpEndpoints,
    exportDelayMs: 10,
    attributes: { 'weft.host.id': 'host-a' },
    ...options,
  });
  await sdk.start(soon());
  return {
    store,
    trace: async (traceId, spans) => {
      await eventually(
        `${spans.toString()} spans of ${traceId}`,
        () => (store.get(traceId)?.spans.length ?? 0) >= spans,
      );
      return store.get(traceId) ?? { traceId, spans: [], startUnixNano: 0n };
    },
    [Symbol.asyncDispose]: async () => {
      await sdk.stop(soon());
      await receiver.stop(soon());
    },
  };
};

/** A span for tests of what is done with spans: ids and times as short numbers. */
export const madeSpan = (
  facts: {
    readonly trace: number;
    readonly id: number;
    readonly parent?: number;
    readonly startMs?: number;
    readonly endMs?: number;
  } & Partial<SpanRecord>,
): SpanRecord => {
  const { trace, id, parent, startMs = id, endMs = startMs + 1, ...rest } = facts;
  return {
    traceId: trace.toString(16).padStart(32, '0'),
    spanId: id.toString(16).padStart(16, '0'),
    ...(parent !== undefined && { parentSpanId: parent.toString(16).padStart(16, '0') }),
    name: `span ${id.toString()}`,
    kind: 'internal',
    service: 'weft-agent',
    host: '',
    startUnixNano: BigInt(Math.round(startMs * 1_000)) * 1_000n,
    endUnixNano: BigInt(Math.round(endMs * 1_000)) * 1_000n,
    attributes: {},
    events: [],
    links: [],
    status: { code: 'unset', message: '' },
    ...rest,
  };
};

/** The id that `madeSpan` gives a trace. */
export const traceIdOf = (trace: number): string => trace.toString(16).padStart(32, '0');

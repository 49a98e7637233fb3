import { TraceServiceService, type Span, type Trace } from '#proto/weft/trace/v1/trace.ts';
import { invalidField, notFound } from '#platform/errors/domain-error.ts';
import { service, unary, type RpcService } from '#platform/rpc/handlers.ts';
import { commandsOf, type SpanRecord } from '#platform/telemetry/span-record.ts';
import type { StoredTrace, TraceStore } from '#platform/telemetry/trace-store.ts';

const KINDS = ['port', 'network', 'router', 'host'];
const MAX_PAGE = 200;

/** weft.trace.v1 over the traces in memory. */
export const traceService = (store: TraceStore): RpcService =>
  service(TraceServiceService, {
    listTraces: unary(async (request) => {
      if (!KINDS.includes(request.object_kind))
        throw invalidField('object_kind', request.object_kind, 'is not port, network, router or host');
      if (request.object_id === '') throw invalidField('object_id', '', 'is required');
      if (request.page_size < 0) throw invalidField('page_size', request.page_size, 'is negative');
      const limit = Math.min(request.page_size === 0 ? 10 : request.page_size, MAX_PAGE);
      const attribute = `weft.${request.object_kind}.id`;
      return await Promise.resolve({
        traces: store.find({ attribute, value: request.object_id, limit }).map(toWireTrace),
      });
    }),
    getTrace: unary(async (request) => {
      if (!/^[0-9a-f]{32}$/.test(request.trace_id))
        throw invalidField('trace_id', request.trace_id, 'is not 32 hexadecimal digits');
      const trace = store.get(request.trace_id);
      if (trace === undefined) throw notFound('trace', request.trace_id);
      return await Promise.resolve(toWireTrace(trace));
    }),
  });

const toWireTrace = ({ traceId, spans }: StoredTrace): Trace => ({ trace_id: traceId, spans: spans.map(toWireSpan) });

const toWireSpan = (span: SpanRecord): Span => ({
  span_id: span.spanId,
  parent_span_id: span.parentSpanId ?? '',
  name: span.name,
  service: span.service,
  host_id: span.host,
  start_unix_nano: String(span.startUnixNano),
  end_unix_nano: String(span.endUnixNano),
  attributes: Object.fromEntries(Object.entries(span.attributes).map(([key, value]) => [key, String(value)])),
  commands: [...commandsOf(span)],
  error: span.status.code === 'error' ? span.status.message || 'failed' : '',
  linked_trace_ids: [...new Set(span.links.map(({ traceId }) => traceId))],
});

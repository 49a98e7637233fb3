import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node';
import { invalidField } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import { counter } from './instruments.ts';

const lost = counter('weft_telemetry_spans_lost', 'Spans that could not be sent to a collector');

/** Sends spans to `<endpoint>/v1/traces`; says in the log when that begins to fail and when it works again. */
export const traceExporter = (endpoint: string, timeoutMs: number, log: Log): SpanExporter => {
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint))
    throw invalidField('otlp_endpoint', endpoint, 'is not an http URL');
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: timeoutMs,
  });
  let failing = false;
  const judge = (result: ExportResult, spans: number): void => {
    const failed = result.code !== ExportResultCode.SUCCESS;
    if (failed) lost.add(spans, { endpoint });
    if (failed === failing) return;
    failing = failed;
    if (failed) log.warn({ endpoint, err: result.error }, 'spans cannot be exported');
    else log.info({ endpoint }, 'spans are exported again');
  };
  return {
    export: (spans: ReadableSpan[], done) => {
      exporter.export(spans, (result) => {
        judge(result, spans.length);
        // Success whatever happened: the failure has been told, and the SDK would only tell it again.
        done({ code: ExportResultCode.SUCCESS });
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
};

import { type Attributes, context, diag, type DiagLogger, DiagLogLevel, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  type Span,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import { aborted } from '#platform/async/aborted.ts';
import { spreadMs } from '#platform/async/spread.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import { type Log, nullLog } from '#platform/log/log.ts';
import { traceExporter } from './exporter.ts';
import { metricsServer } from './metrics-server.ts';
import { withOrigin } from './origin.ts';
import { serviceOf } from './spans.ts';

export interface TelemetryOptions {
  /** `service.name`, e.g. `weft-agent`. */
  readonly service: string;
  /** `service.instance.id`: tells replicas apart. */
  readonly instance: string;
  /** OTLP/HTTP bases such as `http://127.0.0.1:4318`; spans go to each, or nowhere. */
  readonly otlpEndpoints?: readonly string[];
  /** Where Prometheus reads `/metrics`; off when unset. */
  readonly metrics?: { readonly listen: string };
  /** Part of the new traces that is recorded, 0 to 1; 1 unless told otherwise. Traces begun elsewhere follow their start. */
  readonly sampleRatio?: number;
  /** More facts about this process, e.g. `weft.host.id`. */
  readonly attributes?: Attributes;
  /** How long an ended span waits for company before it is sent; 1 s unless told otherwise. */
  readonly exportDelayMs?: number;
  /** How long a batch is tried before it is lost; 5,000 ms unless told otherwise. */
  readonly exportTimeoutMs?: number;
  readonly log?: Log;
}

/** Tracing and metrics of this process; the OpenTelemetry API is process-wide, so run one at a time. */
export interface Telemetry extends Component {
  /** `host:port` where `/metrics` is served, once started. */
  readonly metricsAddress: string | undefined;
  /** Sends what has ended so far; resolves when it is out or `signal` aborts. Never rejects. */
  flush(signal: AbortSignal): Promise<void>;
}

/**
 * Sets up OpenTelemetry while it runs: W3C trace context, spans in batches over OTLP/HTTP (JSON), instruments for
 * Prometheus. Collectors that cannot be reached cost spans, never an error: it is logged when that begins and when it ends.
 */
export const telemetry = (options: TelemetryOptions): Telemetry => new OpenTelemetry(options);

class OpenTelemetry implements Telemetry {
  readonly name = 'telemetry';
  readonly #options: TelemetryOptions;
  #provider: NodeTracerProvider | undefined;
  #metrics: Awaited<ReturnType<typeof metricsServer>> | undefined;

  constructor(options: TelemetryOptions) {
    this.#options = options;
  }

  get metricsAddress(): string | undefined {
    return this.#metrics?.address;
  }

  async start(): Promise<void> {
    const { service, instance, attributes, metrics, sampleRatio = 1, log = nullLog } = this.#options;
    const host = attributes?.['weft.host.id'];
    const resource = resourceFromAttributes({
      ...attributes,
      'service.name': service,
      'service.instance.id': instance,
    });
    // First, since it may refuse an endpoint: nothing is open yet.
    const exporters = this.#exporters(log);
    if (metrics !== undefined) this.#metrics = await metricsServer(metrics.listen, resource);
    diag.setLogger(diagnostics(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
    this.#provider = new NodeTracerProvider({
      resource,
      sampler: withOrigin(
        new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
        typeof host === 'string' ? host : undefined,
      ),
      // One event per operation on the host; the default of 128 would cut large changes short.
      spanLimits: { eventCountLimit: 512 },
      spanProcessors: [serviceNames, ...exporters],
    });
    this.#provider.register({
      contextManager: new AsyncLocalStorageContextManager(),
      propagator: new W3CTraceContextPropagator(),
    });
  }

  async flush(signal: AbortSignal): Promise<void> {
    if (this.#provider !== undefined) await within(signal, this.#provider.forceFlush());
  }

  async stop(signal: AbortSignal): Promise<void> {
    const provider = this.#provider;
    if (provider !== undefined) {
      this.#provider = undefined;
      trace.disable();
      context.disable();
      propagation.disable();
      await within(signal, provider.shutdown());
      diag.disable();
    }
    await this.#metrics?.close(signal);
    this.#metrics = undefined;
  }

  #exporters(log: Log): SpanProcessor[] {
    const { otlpEndpoints = [], exportDelayMs = 1_000, exportTimeoutMs = 5_000 } = this.#options;
    return otlpEndpoints.map(
      (endpoint) =>
        new BatchSpanProcessor(traceExporter(endpoint, exportTimeoutMs, log), {
          // Hosts that heard of the same change must not tell of it at the same moment.
          scheduledDelayMillis: spreadMs(exportDelayMs, Math.random),
          maxQueueSize: 8_192,
          maxExportBatchSize: 512,
          exportTimeoutMillis: 2 * exportTimeoutMs,
        }),
    );
  }
}

/** Marks spans with the service that works in their context, where one process holds several. */
const serviceNames: SpanProcessor = {
  onStart: (span: Span, parent) => {
    const service = serviceOf(parent);
    if (service !== undefined) span.setAttribute('weft.service', service);
  },
  onEnd: () => undefined,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};

/** The promise's end or the signal's, whichever is first; telemetry's failures are not its users'. */
const within = async (signal: AbortSignal, work: Promise<void>): Promise<void> => {
  using abort = aborted(signal);
  await Promise.race([work, abort.promise]).catch(() => undefined);
};

// Failures of export are told by the exporter, once per change of state; what else the SDK has to say is for debugging.
const diagnostics = (log: Log): DiagLogger => {
  const say = (message: string, ...details: readonly unknown[]): void => {
    const [first] = details;
    log.debug({ said: message, ...(first !== undefined && { detail: toError(first).message }) }, 'OpenTelemetry');
  };
  return { error: say, warn: say, info: say, debug: say, verbose: say };
};

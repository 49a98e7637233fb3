import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { unixNow } from './clock.ts';

/** A trace context as it travels in NATS headers and outbox records: `traceparent`, `tracestate`. */
export type Carrier = Readonly<Record<string, string>>;

/** A carrier, or what reads it once somebody wants it. */
export type LazyCarrier = Carrier | (() => Carrier);

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

export interface SpanOptions {
  /** `internal` unless told otherwise. */
  readonly kind?: keyof typeof KINDS;
  readonly attributes?: Attributes;
  /** What caused this without being its parent; a carrier without a trace is left out. */
  readonly links?: readonly Carrier[];
  /** The active span unless told otherwise; `root` starts a new trace. */
  readonly parent?: Carrier | 'root';
  /** When it began, by `unixNow`, where that was before there was time to make a span of it. */
  readonly startTime?: number;
  /** When it ended, by `unixNow`, where it is told of only afterwards; when `work` has ended unless told otherwise. */
  readonly endTime?: number;
}

/**
 * Runs `work` inside a span, active for all that it calls or awaits. Ends the span when `work` has returned, thrown or
 * settled; what it throws is recorded, sets the span's status, and is thrown on. Costs next to nothing while telemetry is
 * off.
 */
export function inSpan<R>(name: string, options: SpanOptions, work: (span: Span) => Promise<R>): Promise<R>;
export function inSpan<R>(name: string, options: SpanOptions, work: (span: Span) => R): R;
export function inSpan(name: string, options: SpanOptions, work: (span: Span) => unknown): unknown {
  const parent = parentOf(options.parent);
  const span = startSpan(name, options, parent);
  let result: unknown;
  try {
    result = context.with(trace.setSpan(parent, span), work, undefined, span);
  } catch (thrown) {
    failSpan(span, thrown);
    span.end(options.endTime ?? unixNow());
    throw thrown;
  }
  if (result instanceof Promise) return settled(span, result, options.endTime);
  span.end(options.endTime ?? unixNow());
  return result;
}

const settled = async (span: Span, result: Promise<unknown>, endTime: number | undefined): Promise<unknown> => {
  try {
    return await result;
  } catch (thrown) {
    failSpan(span, thrown);
    throw thrown;
  } finally {
    span.end(endTime ?? unixNow());
  }
};

const startSpan = (name: string, options: SpanOptions, parent: Context): Span =>
  trace.getTracer('weft').startSpan(
    name,
    {
      kind: KINDS[options.kind ?? 'internal'],
      startTime: options.startTime ?? unixNow(),
      ...(options.attributes !== undefined && { attributes: options.attributes }),
      ...(options.links !== undefined && { links: linksTo(options.links) }),
    },
    parent,
  );

/** Notes on the span that something happened, now or at `time`; `span.addEvent` alone knows the time to a millisecond only. */
export const addEvent = (span: Span, name: string, attributes: Attributes, time?: number): void => {
  if (span.isRecording()) span.addEvent(name, attributes, time ?? unixNow());
};

const failSpan = (span: Span, thrown: unknown): void => {
  if (!span.isRecording()) return;
  const error = toError(thrown);
  span.recordException(error, unixNow());
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  if (thrown instanceof DomainError) span.setAttribute('error.type', thrown.reason);
};

/** The active trace context, to be sent along or stored; empty when there is none. */
export const carrier = (): Record<string, string> => {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
};

/** The trace context that `headers` carry; the root context when they carry none. */
export const fromCarrier = (headers: Carrier): Context => propagation.extract(ROOT_CONTEXT, headers);

/** The active trace's id, 32 hexadecimal digits. */
export const currentTraceId = (): string | undefined => {
  const current = trace.getActiveSpan()?.spanContext();
  return current !== undefined && trace.isSpanContextValid(current) ? current.traceId : undefined;
};

/** Runs `work` as part of the trace that `headers` carry, without a span of its own. */
export const inTrace = <R>(headers: Carrier, work: () => R): R => context.with(parentOf(headers), work);

/** Runs `work` outside the active trace: for what this moment sets off but is no part of. */
export const detached = <R>(work: () => R): R => context.with(ROOT_CONTEXT, work);

const SERVICE = createContextKey('weft.service');

/** Runs `work` so that spans started in it bear `service`: one process may hold several services. */
export const withService = <R>(service: string, work: () => R): R =>
  context.with(serviceContext(context.active(), service), work);

/** `parent` with the name of the service that works in it. */
export const serviceContext = (parent: Context, service: string): Context => parent.setValue(SERVICE, service);

/** The service that works in a context, as `withService` set it. */
export const serviceOf = (within: Context): string | undefined => {
  const service = within.getValue(SERVICE);
  return typeof service === 'string' ? service : undefined;
};

const parentOf = (parent: SpanOptions['parent']): Context => {
  const active = context.active();
  if (parent === undefined) return active;
  const remote = parent === 'root' ? ROOT_CONTEXT : fromCarrier(parent);
  const service = serviceOf(active);
  return service === undefined ? remote : serviceContext(remote, service);
};

const linksTo = (carriers: readonly Carrier[]): Link[] =>
  carriers.flatMap((headers) => {
    const linked = trace.getSpanContext(fromCarrier(headers));
    return linked === undefined ? [] : [{ context: linked }];
  });

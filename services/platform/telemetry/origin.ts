import { createTraceState, type Span, trace } from '@opentelemetry/api';
import type { ReadableSpan, Sampler } from '@opentelemetry/sdk-trace-node';

/** How a trace began: the name of its first span, and who or where that was. */
export interface Origin {
  readonly name: string;
  readonly who: string;
}

/** The vendor's key in `tracestate` (W3C Trace Context, 3.3): it goes wherever the trace goes. */
const KEY = 'weft';
/** The attribute of a first span that says who called. */
export const CALLER = 'weft.caller';
const HOST = 'weft.host.id';
const MAX_VALUE = 256;

/** As `inner` decides; the first span of a trace writes into its context what it is, for all that follow from it. */
export const withOrigin = (inner: Sampler, host?: string): Sampler => ({
  shouldSample: (parent, traceId, name, kind, attributes, links) => {
    const result = inner.shouldSample(parent, traceId, name, kind, attributes, links);
    if (trace.getSpanContext(parent) !== undefined) return result;
    const { [CALLER]: caller, [HOST]: named } = attributes;
    const where = typeof named === 'string' ? named : host;
    const who = typeof caller === 'string' ? caller : where === undefined ? '' : `host ${where}`;
    const value = encode({ name, who });
    return { ...result, traceState: (result.traceState ?? createTraceState()).set(KEY, value) };
  },
  toString: () => `Origin(${inner.toString()})`,
});

/** How the trace of a span began, where that was told. */
export const originOf = (span: Span): Origin | undefined => {
  const text = span.spanContext().traceState?.get(KEY);
  if (text === undefined) return undefined;
  const [name = '', who = ''] = text.split(SEPARATOR);
  return { name, who };
};

const SEPARATOR = '|';

// `tracestate` takes printable ASCII without "," and "=".
const encode = ({ name, who }: Origin): string =>
  [name, who]
    .map((text) => text.replace(/[^\x20-\x7e]|[,=|]/g, '_'))
    .join(SEPARATOR)
    .slice(0, MAX_VALUE)
    .trimEnd();

/** What a span says of itself that the API of OpenTelemetry only lets be written; empty while telemetry is off. */
export const factsOf = (span: Span): { readonly name: string; readonly cause: string } => {
  const { name = '', attributes = {} } = span as Partial<ReadableSpan>;
  const cause = attributes['weft.cause'];
  return { name, cause: typeof cause === 'string' ? cause : '' };
};

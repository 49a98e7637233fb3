import { z } from 'zod';
import { DomainError } from '#platform/errors/domain-error.ts';
import {
  type AttributeMap,
  type AttributeValue,
  namesObject,
  type RecordedKind,
  type SpanRecord,
} from './span-record.ts';

const integer = z.union([z.int(), z.string().regex(/^-?\d{1,19}$/)]);
const nanoseconds = z
  .union([z.number().nonnegative(), z.string().regex(/^\d{1,20}$/)])
  .transform((value) => BigInt(typeof value === 'number' ? Math.round(value) : value));
const traceId = z
  .string()
  .regex(/^[0-9a-fA-F]{32}$/)
  .toLowerCase();
const spanId = z
  .string()
  .regex(/^[0-9a-fA-F]{16}$/)
  .toLowerCase();

const MAX_DEPTH = 8;

/** OTLP's AnyValue; anything nested too deeply, and kinds this store has no use for, are kept as JSON text. */
const anyValue = (value: unknown, depth: number): AttributeValue => {
  const wire = AnyValue.parse(value);
  if (wire.stringValue !== undefined) return wire.stringValue;
  if (wire.boolValue !== undefined) return wire.boolValue;
  if (wire.doubleValue !== undefined) return wire.doubleValue;
  if (wire.intValue !== undefined) {
    const number = Number(wire.intValue);
    return Number.isSafeInteger(number) ? number : String(wire.intValue);
  }
  if (wire.arrayValue !== undefined && depth < MAX_DEPTH)
    return (wire.arrayValue.values ?? []).map((item) => anyValue(item, depth + 1));
  return JSON.stringify(value);
};

const AnyValue = z.object({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: integer.optional(),
  doubleValue: z.number().optional(),
  arrayValue: z.object({ values: z.array(z.unknown()).optional() }).optional(),
});

const Attributes = z
  .array(z.object({ key: z.string(), value: z.unknown() }))
  .default([])
  .transform((pairs): AttributeMap =>
    Object.fromEntries(pairs.map(({ key, value }) => [key, anyValue(value ?? {}, 0)])),
  );

const Span = z.object({
  traceId,
  spanId,
  parentSpanId: z.union([z.literal(''), spanId]).optional(),
  name: z.string().default(''),
  kind: z.int().default(0),
  startTimeUnixNano: nanoseconds,
  endTimeUnixNano: nanoseconds,
  attributes: Attributes,
  events: z
    .array(z.object({ name: z.string().default(''), timeUnixNano: nanoseconds.default(0n), attributes: Attributes }))
    .default([]),
  links: z.array(z.object({ traceId, spanId, attributes: Attributes })).default([]),
  status: z.object({ code: z.int().default(0), message: z.string().default('') }).default({ code: 0, message: '' }),
});

const Request = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes: Attributes }).default({ attributes: {} }),
        scopeSpans: z.array(z.object({ spans: z.array(Span).default([]) })).default([]),
      }),
    )
    .default([]),
});

/** Reads an OTLP/JSON ExportTraceServiceRequest; DomainError `invalid` naming the first fields that are not as they must be. */
export const parseTraces = (body: string): readonly SpanRecord[] => {
  const request = Request.safeParse(json(body));
  if (!request.success) {
    const violations = request.error.issues
      .slice(0, 8)
      .map((issue) => ({ field: issue.path.join('.'), description: issue.message }));
    throw new DomainError('invalid', 'MALFORMED_TRACES', 'the body is not an OTLP trace request', { violations });
  }
  return request.data.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const origin = originOf(resource.attributes);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => record(span, origin)));
  });
};

const json = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new DomainError('invalid', 'MALFORMED_JSON', 'the body is not JSON', { cause });
  }
};

interface Origin {
  readonly service: string;
  readonly host: string;
  readonly objects: AttributeMap;
}

const originOf = (resource: AttributeMap): Origin => ({
  service: String(resource['service.name'] ?? 'unknown'),
  host: String(resource['weft.host.id'] ?? resource['host.id'] ?? ''),
  objects: Object.fromEntries(Object.entries(resource).filter(([key]) => namesObject(key))),
});

const KINDS: readonly RecordedKind[] = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];

const record = (span: z.output<typeof Span>, origin: Origin): SpanRecord => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentSpanId !== undefined && span.parentSpanId !== '' && { parentSpanId: span.parentSpanId }),
  name: span.name,
  kind: KINDS[span.kind] ?? 'unspecified',
  service: String(span.attributes['weft.service'] ?? origin.service),
  host: origin.host,
  startUnixNano: span.startTimeUnixNano,
  endUnixNano: span.endTimeUnixNano,
  attributes: { ...origin.objects, ...span.attributes },
  events: span.events,
  links: span.links,
  status: {
    code: span.status.code === 2 ? 'error' : span.status.code === 1 ? 'ok' : 'unset',
    message: span.status.message,
  },
});

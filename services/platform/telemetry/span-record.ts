/** A value of a span's attribute as OTLP carries it; 64-bit integers past 2^53 and bytes are text. */
export type AttributeValue = string | number | boolean | readonly AttributeValue[];
export type AttributeMap = Readonly<Record<string, AttributeValue>>;

export interface SpanEvent {
  readonly name: string;
  readonly timeUnixNano: bigint;
  readonly attributes: AttributeMap;
}

/** Another span that caused this one without being its parent. */
export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: AttributeMap;
}

export type RecordedKind = 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/** A finished step of a trace, as told by the process that did it. */
export interface SpanRecord {
  /** 32 hexadecimal digits, lower case. */
  readonly traceId: string;
  /** 16 hexadecimal digits, lower case. */
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: RecordedKind;
  /** Which service: `weft.service` of the span, else its resource's `service.name`. */
  readonly service: string;
  /** Which host: `weft.host.id` or `host.id` of its resource; empty for the control plane. */
  readonly host: string;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  /** The span's own, and those of its resource that name an object (`weft.<kind>.id`). */
  readonly attributes: AttributeMap;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanLink[];
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message: string };
}

/** Does this attribute name an object traces are looked up by: `weft.port.id`, `weft.network.id`, `weft.host.id`? */
export const namesObject = (attribute: string): boolean => /^weft\.[a-z_.]+\.id$/.test(attribute);

/** Orders spans by start, then by id: the same order whatever order they came in. */
export const byStart = (a: SpanRecord, b: SpanRecord): number => {
  if (a.startUnixNano !== b.startUnixNano) return a.startUnixNano < b.startUnixNano ? -1 : 1;
  return a.spanId < b.spanId ? -1 : 1;
};

const texts = (value: AttributeValue | undefined): readonly string[] => {
  if (value === undefined) return [];
  return typeof value === 'object' ? value.flatMap(texts) : [String(value)];
};

/** The commands a step stands for, in order: its attribute `weft.command`, then those of its `operation` events. */
export const commandsOf = (span: SpanRecord): readonly string[] => [
  ...texts(span.attributes['weft.command']),
  ...span.events
    .filter((event) => event.name === 'operation')
    .flatMap((event) => texts(event.attributes['weft.command'])),
];

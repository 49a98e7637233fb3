import { type AttributeValue, byStart, namesObject, type SpanRecord } from './span-record.ts';

/** The spans of one trace that have arrived so far, by start time. */
export interface StoredTrace {
  readonly traceId: string;
  readonly spans: readonly SpanRecord[];
  /** Start of the earliest span. */
  readonly startUnixNano: bigint;
}

export interface TraceStoreOptions {
  /** 2,000 unless told otherwise. */
  readonly maxTraces?: number;
  /** Over all traces; 50,000 unless told otherwise. */
  readonly maxSpans?: number;
}

interface Entry {
  readonly spans: Map<string, SpanRecord>;
  /** Keys of the indexes this trace stands in. */
  readonly objects: Set<string>;
  readonly linked: Set<string>;
}

/**
 * The last traces, in memory. Bounded: room is made by forgetting the trace that came first, whole. Finds traces by the
 * objects their spans name (`weft.port.id`, `weft.network.id`, `weft.host.id`, …) and by links between them.
 */
export class TraceStore {
  readonly #maxTraces: number;
  readonly #maxSpans: number;
  readonly #traces = new Map<string, Entry>();
  readonly #byObject = new Map<string, Set<string>>();
  readonly #linkedFrom = new Map<string, Set<string>>();
  #spans = 0;
  #dropped = 0;

  constructor(options: TraceStoreOptions = {}) {
    this.#maxTraces = options.maxTraces ?? 2_000;
    this.#maxSpans = options.maxSpans ?? 50_000;
  }

  /** Takes spans in any order; the same span again replaces itself. */
  add(spans: readonly SpanRecord[]): void {
    for (const span of spans) this.#add(span);
  }

  get(traceId: string): StoredTrace | undefined {
    const entry = this.#traces.get(traceId);
    return entry === undefined ? undefined : snapshot(traceId, entry);
  }

  /** Traces with a span whose attribute has that value, the latest to start first. */
  find(query: { readonly attribute: string; readonly value: string; readonly limit: number }): readonly StoredTrace[] {
    const found = this.#all(this.#byObject.get(objectKey(query.attribute, query.value)));
    return found
      .sort((a, b) => (a.startUnixNano === b.startUnixNano ? 0 : a.startUnixNano < b.startUnixNano ? 1 : -1))
      .slice(0, query.limit);
  }

  /** Traces that this one links to and that link to it, in start order: causes and consequences. */
  related(traceId: string): readonly StoredTrace[] {
    const ids = new Set([...(this.#traces.get(traceId)?.linked ?? []), ...(this.#linkedFrom.get(traceId) ?? [])]);
    ids.delete(traceId);
    return this.#all(ids).sort((a, b) => (a.startUnixNano < b.startUnixNano ? -1 : 1));
  }

  /** How full it is; `dropped` counts the spans of traces too large to keep. */
  get size(): { readonly traces: number; readonly spans: number; readonly dropped: number } {
    return { traces: this.#traces.size, spans: this.#spans, dropped: this.#dropped };
  }

  #add(span: SpanRecord): void {
    const entry = this.#traces.get(span.traceId) ?? { spans: new Map(), objects: new Set(), linked: new Set() };
    const known = entry.spans.has(span.spanId);
    if (!known && entry.spans.size >= this.#maxSpans) {
      this.#dropped += 1;
      return;
    }
    this.#traces.set(span.traceId, entry);
    entry.spans.set(span.spanId, span);
    if (!known) this.#spans += 1;
    this.#index(span, entry);
    this.#makeRoom(span.traceId);
  }

  #index(span: SpanRecord, entry: Entry): void {
    for (const [attribute, value] of Object.entries(span.attributes)) {
      if (!namesObject(attribute)) continue;
      for (const one of values(value)) {
        const key = objectKey(attribute, one);
        entry.objects.add(key);
        put(this.#byObject, key, span.traceId);
      }
    }
    for (const link of span.links) {
      entry.linked.add(link.traceId);
      put(this.#linkedFrom, link.traceId, span.traceId);
    }
  }

  #makeRoom(keep: string): void {
    for (const traceId of this.#traces.keys()) {
      if (this.#traces.size <= this.#maxTraces && this.#spans <= this.#maxSpans) return;
      if (traceId !== keep) this.#forget(traceId);
    }
  }

  #forget(traceId: string): void {
    const entry = this.#traces.get(traceId);
    if (entry === undefined) return;
    this.#traces.delete(traceId);
    this.#spans -= entry.spans.size;
    for (const key of entry.objects) take(this.#byObject, key, traceId);
    for (const linked of entry.linked) take(this.#linkedFrom, linked, traceId);
  }

  #all(ids: Iterable<string> | undefined): StoredTrace[] {
    return [...(ids ?? [])].flatMap((id) => this.get(id) ?? []);
  }
}

const objectKey = (attribute: string, value: string): string => `${attribute}=${value}`;

const values = (value: AttributeValue): readonly string[] =>
  typeof value === 'object' ? value.flatMap(values) : [String(value)];

const put = (index: Map<string, Set<string>>, key: string, traceId: string): void => {
  const ids = index.get(key);
  if (ids === undefined) index.set(key, new Set([traceId]));
  else ids.add(traceId);
};

const take = (index: Map<string, Set<string>>, key: string, traceId: string): void => {
  const ids = index.get(key);
  ids?.delete(traceId);
  if (ids?.size === 0) index.delete(key);
};

const snapshot = (traceId: string, entry: Entry): StoredTrace => {
  const spans = [...entry.spans.values()].sort(byStart);
  return { traceId, spans, startUnixNano: spans[0]?.startUnixNano ?? 0n };
};

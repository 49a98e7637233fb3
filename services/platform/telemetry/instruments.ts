import type { Attributes, Histogram as OtelHistogram, Meter, ObservableResult } from '@opentelemetry/api';

/** Counts up. Read by the exporter as `<name>_total`. */
export interface Counter {
  /** `amount` >= 0. */
  add(amount: number, attributes?: Attributes): void;
  /** The sum so far for exactly these attributes. */
  value(attributes?: Attributes): number;
}

/** A value that goes up and down, one per set of attributes. */
export interface Gauge {
  set(value: number, attributes?: Attributes): void;
  /** No longer reports these attributes: for what no longer exists. */
  forget(attributes?: Attributes): void;
}

/** A distribution. What is recorded before telemetry has started is not kept. */
export interface Histogram {
  record(value: number, attributes?: Attributes): void;
}

/** Seconds: finest where the budget of the fast path lies. */
const DURATION_BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

interface Bindable {
  bind(meter: Meter): () => void;
}

// OpenTelemetry's API hands out dead instruments for ever to those who ask before the SDK starts, hence this registry:
// instruments are module constants, whatever the order of start.
const registry = new Map<string, { readonly kind: string; readonly instrument: Bindable }>();
const meters = new Map<Meter, (() => void)[]>();

/** The counter of that name, e.g. `weft_resyncs`; the same one for the same name. */
export const counter = (name: string, description: string): Counter =>
  registered('counter', name, () => new Series(name, description, 'counter'));

/** The gauge of that name; the unit is its suffix, e.g. `weft_host_lag_revisions`. */
export const gauge = (name: string, description: string): Gauge =>
  registered('gauge', name, () => new Series(name, description, 'gauge'));

/** The histogram of that name; the unit is its suffix, e.g. `weft_apply_duration_seconds`. */
export const histogram = (
  name: string,
  description: string,
  buckets: readonly number[] = DURATION_BUCKETS,
): Histogram => registered('histogram', name, () => new Distribution(name, description, buckets));

/** Reports every instrument, those of the future too, to `meter`, until disposed. */
export const bindInstruments = (meter: Meter): Disposable => {
  const unbind = [...registry.values()].map(({ instrument }) => instrument.bind(meter));
  meters.set(meter, unbind);
  return {
    [Symbol.dispose]: () => {
      meters.delete(meter);
      for (const undo of unbind) undo();
    },
  };
};

const registered = <T extends Bindable>(kind: string, name: string, make: () => T): T => {
  const known = registry.get(name);
  if (known !== undefined) {
    if (known.kind !== kind) throw new TypeError(`${name} is a ${known.kind}, not a ${kind}`);
    return known.instrument as T; // the kind says which class made it
  }
  if (!/^weft_[a-z][a-z0-9_]*$/.test(name)) throw new TypeError(`${name}: names of metrics are weft_lower_snake`);
  const instrument = make();
  registry.set(name, { kind, instrument });
  for (const [meter, unbind] of meters) unbind.push(instrument.bind(meter));
  return instrument;
};

/** More sets of attributes than this are summed up in one: a metric must not become a leak. */
const MAX_SERIES = 2_000;
const OVERFLOW: Attributes = { 'otel.metric.overflow': true };

const keyOf = (attributes: Attributes): string =>
  Object.keys(attributes)
    .sort()
    .map((key) => `${key}=${String(attributes[key])}`)
    .join('\n');

class Series implements Counter, Gauge, Bindable {
  readonly #name: string;
  readonly #description: string;
  readonly #kind: 'counter' | 'gauge';
  readonly #series = new Map<string, { readonly attributes: Attributes; value: number }>();

  constructor(name: string, description: string, kind: 'counter' | 'gauge') {
    this.#name = name;
    this.#description = description;
    this.#kind = kind;
  }

  add(amount: number, attributes: Attributes = {}): void {
    this.#at(attributes).value += amount;
  }

  set(value: number, attributes: Attributes = {}): void {
    this.#at(attributes).value = value;
  }

  forget(attributes: Attributes = {}): void {
    this.#series.delete(keyOf(attributes));
  }

  value(attributes: Attributes = {}): number {
    return this.#series.get(keyOf(attributes))?.value ?? 0;
  }

  bind(meter: Meter): () => void {
    const options = { description: this.#description };
    const observable =
      this.#kind === 'counter'
        ? meter.createObservableCounter(this.#name, options)
        : meter.createObservableGauge(this.#name, options);
    const observe = (result: ObservableResult): void => {
      for (const { attributes, value } of this.#series.values()) result.observe(value, attributes);
    };
    observable.addCallback(observe);
    return () => {
      observable.removeCallback(observe);
    };
  }

  #at(attributes: Attributes): { value: number } {
    const key = keyOf(attributes);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= MAX_SERIES && attributes !== OVERFLOW) return this.#at(OVERFLOW);
    const fresh = { attributes: { ...attributes }, value: 0 };
    this.#series.set(key, fresh);
    return fresh;
  }
}

class Distribution implements Histogram, Bindable {
  readonly #name: string;
  readonly #description: string;
  readonly #buckets: readonly number[];
  readonly #bound = new Set<OtelHistogram>();

  constructor(name: string, description: string, buckets: readonly number[]) {
    this.#name = name;
    this.#description = description;
    this.#buckets = buckets;
  }

  record(value: number, attributes: Attributes = {}): void {
    for (const bound of this.#bound) bound.record(value, attributes);
  }

  bind(meter: Meter): () => void {
    const bound = meter.createHistogram(this.#name, {
      description: this.#description,
      advice: { explicitBucketBoundaries: [...this.#buckets] },
    });
    this.#bound.add(bound);
    return () => {
      this.#bound.delete(bound);
    };
  }
}

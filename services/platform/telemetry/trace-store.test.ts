import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { madeSpan, traceIdOf } from './spans.fixture.ts';
import { TraceStore } from './trace-store.ts';

const port = (id: string) => ({ attributes: { 'weft.port.id': id } });
const link = (trace: number) => ({ traceId: traceIdOf(trace), spanId: '0'.repeat(16), attributes: {} });

describe('the trace store', () => {
  test('gathers the spans of a trace in any order and gives them by start', () => {
    const store = new TraceStore();
    store.add([madeSpan({ trace: 1, id: 3 })]);
    store.add([madeSpan({ trace: 1, id: 1 }), madeSpan({ trace: 1, id: 2 })]);
    expect(store.get(traceIdOf(1))?.spans.map(({ name }) => name)).toEqual(['span 1', 'span 2', 'span 3']);
    expect(store.get(traceIdOf(2))).toBeUndefined();
  });

  test('takes the same span twice as one, the later word holds', () => {
    const store = new TraceStore();
    store.add([madeSpan({ trace: 1, id: 1 }), madeSpan({ trace: 1, id: 1, name: 'again' })]);
    expect(store.size).toEqual({ traces: 1, spans: 1, dropped: 0 });
    expect(store.get(traceIdOf(1))?.spans[0]?.name).toBe('again');
  });

  test('finds traces by the objects they touch, the latest first', () => {
    const store = new TraceStore();
    store.add([
      madeSpan({ trace: 1, id: 1, startMs: 10, ...port('p1') }),
      madeSpan({ trace: 2, id: 2, startMs: 30, ...port('p1') }),
      madeSpan({ trace: 3, id: 3, startMs: 20, attributes: { 'weft.port.id': ['p2', 'p1'], 'weft.mtu': 1_450 } }),
      madeSpan({ trace: 4, id: 4, startMs: 40, attributes: { 'weft.network.id': 'p1' } }),
    ]);
    const found = (value: string, limit: number): readonly string[] =>
      store.find({ attribute: 'weft.port.id', value, limit }).map(({ traceId }) => traceId);
    expect(found('p1', 10)).toEqual([2, 3, 1].map(traceIdOf));
    expect(found('p1', 2)).toEqual([2, 3].map(traceIdOf));
    expect(found('p2', 10)).toEqual([traceIdOf(3)]);
    expect(found('p3', 10)).toEqual([]);
    expect(store.find({ attribute: 'weft.mtu', value: '1450', limit: 10 })).toEqual([]);
  });

  test('follows links both ways, also to traces that come later', () => {
    const store = new TraceStore();
    store.add([
      madeSpan({ trace: 2, id: 2, links: [link(1), link(2)] }),
      madeSpan({ trace: 3, id: 3, links: [link(1)] }),
    ]);
    store.add([madeSpan({ trace: 1, id: 1 })]);
    expect(store.related(traceIdOf(1)).map(({ traceId }) => traceId)).toEqual([2, 3].map(traceIdOf));
    expect(store.related(traceIdOf(2)).map(({ traceId }) => traceId)).toEqual([traceIdOf(1)]);
    expect(store.related(traceIdOf(9))).toEqual([]);
  });

  test('forgets the oldest trace, whole, with its place in the indexes', () => {
    const store = new TraceStore({ maxTraces: 2, maxSpans: 4 });
    store.add([
      madeSpan({ trace: 1, id: 1, ...port('p1') }),
      madeSpan({ trace: 1, id: 2, links: [link(2)] }),
      madeSpan({ trace: 2, id: 3 }),
      madeSpan({ trace: 3, id: 4, ...port('p1') }),
    ]);
    expect(store.get(traceIdOf(1))).toBeUndefined();
    expect(store.find({ attribute: 'weft.port.id', value: 'p1', limit: 9 }).map(({ traceId }) => traceId)).toEqual([
      traceIdOf(3),
    ]);
    expect(store.related(traceIdOf(2))).toEqual([]);
    expect(store.size).toEqual({ traces: 2, spans: 2, dropped: 0 });
  });

  test('a trace larger than the store keeps its first spans, and the rest is counted', () => {
    const store = new TraceStore({ maxSpans: 3 });
    store.add([1, 2, 3, 4, 5].map((id) => madeSpan({ trace: 1, id })));
    expect(store.size).toEqual({ traces: 1, spans: 3, dropped: 2 });
  });
});

test('never holds more than it may, and finds exactly what it holds', () => {
  const spans = fc.array(
    fc.record({
      trace: fc.integer({ min: 1, max: 12 }),
      id: fc.integer({ min: 1, max: 30 }),
      port: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(spans, (made) => {
      const store = new TraceStore({ maxTraces: 4, maxSpans: 20 });
      for (const { trace, id, port: number } of made) {
        store.add([madeSpan({ trace, id, ...port(number.toString()) })]);
        const held = Array.from({ length: 12 }, (_, index) => store.get(traceIdOf(index + 1))).filter(
          (found) => found !== undefined,
        );
        expect(held.length).toBe(store.size.traces);
        expect(held.length).toBeLessThanOrEqual(4);
        expect(held.reduce((sum, one) => sum + one.spans.length, 0)).toBe(store.size.spans);
        expect(store.size.spans).toBeLessThanOrEqual(20);
      }
      for (const value of ['1', '2', '3'])
        for (const found of store.find({ attribute: 'weft.port.id', value, limit: 99 }))
          expect(store.get(found.traceId)).toBeDefined();
    }),
    { numRuns: 50 },
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ForwardingDelta } from '#proto/weft/event/v1/event.ts';
import type { TableRevision } from '../domain/table.ts';
import { entryOf, networkOf, vtepOf } from '../testing/arbitraries.ts';
import { deltaCodec } from './forwarding-messages.ts';

const entry = fc
  .tuple(fc.nat(500), fc.nat(9), fc.nat(5))
  .map(([n, host, move]) => entryOf(n, vtepOf(host, move), move + 1));

const change = fc.oneof(
  entry.map((one) => ({ kind: 'set', entry: one }) as const),
  fc.tuple(entry, entry).map(([one, previous]) => ({ kind: 'set', entry: one, previous }) as const),
  entry.map((one) => ({ kind: 'removed', entry: one }) as const),
);

const revision: fc.Arbitrary<TableRevision> = fc.record({
  revision: fc.integer({ min: 1, max: 2 ** 48 }),
  cause: fc.constantFrom('ReportPortUp', ''),
  time: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  changes: fc.array(change, { maxLength: 20 }),
});

test('a delta is read as it was written', () => {
  fc.assert(
    fc.property(revision, (one) => {
      expect(deltaCodec.decode(deltaCodec.encode(networkOf(0), one))).toEqual(one);
    }),
  );
});

test('a delta starts from the revision before', () => {
  const bytes = deltaCodec.encode(networkOf(0), { revision: 8, cause: 'x', time: 0, changes: [] });
  expect(ForwardingDelta.decode(bytes)).toMatchObject({ base_revision: '7', revision: '8', network_id: networkOf(0) });
});

test('a delta that is too large is small, and to every receiver has a hole before it', () => {
  const changes = Array.from({ length: 6_000 }, (_, n) => ({ kind: 'set', entry: entryOf(n, vtepOf(1)) }) as const);
  const bytes = deltaCodec.encode(networkOf(0), { revision: 8, cause: 'x', time: 0, changes });
  expect(bytes.length).toBeLessThan(200);
  expect(ForwardingDelta.decode(bytes)).toMatchObject({ base_revision: '8', revision: '8', changes: [] });
  expect(deltaCodec.decode(bytes)).toBeUndefined();
});

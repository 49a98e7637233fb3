import { expect, test } from 'vitest';
import { LINUXBRIDGE, OVS, withFigures } from './figures.ts';

const README = 'before\n\n<!-- figures -->\n\nold\n\n<!-- /figures -->\n\nafter\n';

test('puts what was measured between the marks, and leaves out what was not', () => {
  const results = { time: 'now', floor: { nats_ms: 0.0789, redis_ms: 0.1 }, ipam: { allocations_per_second: 12345.6 } };
  expect(withFigures(README, LINUXBRIDGE, results)).toBe(`before

<!-- figures -->

|                                           |                   |
| ----------------------------------------- | ----------------- |
| Addresses leased                          | 12,346 per second |
| The floor: a NATS message, a Redis script | 0.0789 ms, 0.1 ms |

<!-- /figures -->

after
`);
});

test('the same results change nothing', () => {
  const once = withFigures(README, LINUXBRIDGE, { floor: { nats_ms: 1, redis_ms: 2 } });
  expect(withFigures(once, LINUXBRIDGE, { floor: { nats_ms: 1, redis_ms: 2 } })).toBe(once);
});

test('a README without marks is refused', () => {
  expect(() => withFigures('nothing', LINUXBRIDGE, {})).toThrow('has no <!-- figures -->');
});

test('each dataplane has marks of its own', () => {
  const both = `${README}\n<!-- figures ovs -->\n<!-- /figures ovs -->\n`;
  const written = withFigures(both, OVS, { entries: { count: 10_000, seconds: 0.5, floor_seconds: 0.25 } });
  expect(written.startsWith(README)).toBe(true);
  expect(written).toContain('10,000 entries in 0.5 s; in the same run `ovs-ofctl --bundle add-flows` takes 0.25 s');
});

import { expect, test } from 'vitest';
import { withFigures } from './figures.ts';

const README = 'before\n\n<!-- figures -->\n\nold\n\n<!-- /figures -->\n\nafter\n';

test('puts what was measured between the marks, and leaves out what was not', () => {
  const results = { time: 'now', floor: { nats_ms: 0.0789, redis_ms: 0.1 }, ipam: { allocations_per_second: 12345.6 } };
  expect(withFigures(README, results)).toBe(`before

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
  const once = withFigures(README, { floor: { nats_ms: 1, redis_ms: 2 } });
  expect(withFigures(once, { floor: { nats_ms: 1, redis_ms: 2 } })).toBe(once);
});

test('a README without marks is refused', () => {
  expect(() => withFigures('nothing', {})).toThrow('has no <!-- figures -->');
});

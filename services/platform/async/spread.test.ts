import { expect, test } from 'vitest';
import { spreadMs } from './spread.ts';

test('is spread evenly around what was asked for', () => {
  expect(spreadMs(1_000, () => 0)).toBe(750);
  expect(spreadMs(1_000, () => 0.5)).toBe(1_000);
  expect(spreadMs(1_000, () => 0.999)).toBe(1_250);
});

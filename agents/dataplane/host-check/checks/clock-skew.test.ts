import { expect, test } from 'vitest';
import { judgeClock } from './clock-skew.ts';

test.each([
  [0, 500, undefined, ''],
  [2_400, 500, undefined, ''],
  [2_600, 500, 'warning', "this host's clock is 2.6 s behind the control plane's"],
  [-2_600, 500, 'warning', "this host's clock is 2.6 s ahead of the control plane's"],
  [61_000, 500, 'error', "this host's clock is 61.0 s behind the control plane's"],
  // A slow answer tells little.
  [4_000, 3_000, undefined, ''],
])('%d ms ahead, give or take %d: %s', (aheadMs, uncertaintyMs, severity, title) => {
  const findings = judgeClock({ address: '192.0.2.1:7701', aheadMs, uncertaintyMs });
  expect(findings).toMatchObject(severity === undefined ? [] : [{ severity, title }]);
});

import type { Check } from '../check.ts';
import { judged, run, skipped, type Finding } from '../finding.ts';
import type { ClockReading } from '../check-tools.ts';

/** Past this, times of traces and events of two hosts cannot be set against each other. */
const WARNING_MS = 2_000;
/** Past this, certificates that were just made are not valid yet. */
const ERROR_MS = 60_000;

/** Whether this host's clock is that of the control plane. */
export const clockSkew: Check = {
  id: 'clock-skew',
  run: async (_survey, { clockAhead }, signal) =>
    clockAhead === undefined
      ? skipped('the agent stands alone: there is no clock to compare with')
      : judged(judgeClock(await clockAhead(signal))),
};

/** A difference counts only as far as it is certain. */
export const judgeClock = ({ address, aheadMs, uncertaintyMs }: ClockReading): readonly Finding[] => {
  const certain = Math.abs(aheadMs) - uncertaintyMs;
  if (certain <= WARNING_MS) return [];
  const seconds = (Math.abs(aheadMs) / 1_000).toFixed(1);
  return [
    {
      severity: certain > ERROR_MS ? 'error' : 'warning',
      title: `this host's clock is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead of'} the control plane's`,
      evidence: [
        `date of an answer from ${address}: ${aheadMs > 0 ? '+' : ''}${aheadMs.toFixed(0)} ms, give or take ${uncertaintyMs.toFixed(0)} ms`,
      ],
      remedy: [run('timedatectl', 'set-ntp', 'true')],
    },
  ];
};

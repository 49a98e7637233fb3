import { counter, gauge, histogram } from '#platform/telemetry/instruments.ts';

/** From the commit of a change to the moment all hosts of its network have acknowledged it. */
export const convergence = histogram(
  'weft_convergence_seconds',
  'Time from the commit of a change until every host of its network has it in its kernel.',
);

/** Per host, as of its last report. */
export const lag = gauge('weft_revision_lag', 'Revisions a host is behind in the network where it is furthest behind.');

/** By `cause`: `digest` (rows differ), `expired` (changes no longer kept), `lifted` (a table had lost writes). */
export const resyncs = counter('weft_resyncs', 'Times a host was sent to the snapshot of a network, by cause.');

/** Per host. */
export const drift = counter(
  'weft_drift_rows',
  'Rows that hosts found different from what they had set, and repaired.',
);

/** By `outcome`: `made`, `nothing`, `failed`. */
export const batches = counter('weft_l2pop_batches', 'Batches of changes given to a table, by outcome.');

/** Rows of difference that events had not brought. */
export const reconciled = counter(
  'weft_l2pop_reconciled',
  'Ports that reconciliation with topology found to differ, by kind.',
);

import { counter, gauge, histogram } from '#platform/telemetry/instruments.ts';

export const operationsDone = counter('weft_operations', 'Operations done on the host, by kind');
export const operationsFailed = counter('weft_operation_failures', 'Operations the host refused, by kind');
export const applySeconds = histogram('weft_apply_duration_seconds', 'From a change taken up to the kernel holding it');
export const driftRows = counter('weft_drift_rows', 'Steps needed because the kernel differed from the desired state');
export const resyncs = counter('weft_resyncs', 'Changes or snapshots pulled from l2pop, by cause');
export const deltasDropped = counter('weft_deltas_dropped', 'Deltas not applied, by reason');
export const heldRevision = gauge('weft_held_revision', 'Revision the kernel holds, by network');
export const localPorts = gauge('weft_local_ports', 'Ports plugged on this host');
export const spoofedFrames = counter(
  'weft_spoofed_frames',
  'Frames of guests dropped for what they claimed, by port and reason',
);

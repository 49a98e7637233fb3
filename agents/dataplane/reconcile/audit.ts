import type { Carrier } from '#platform/telemetry/spans.ts';
import type { Outcome } from '../model/operation.ts';

/** Why a network is read back and compared. */
export type AuditCause = 'start' | 'drift' | 'periodic' | 'failure' | 'request' | 'advice';

/** By which what has to be done is not weft's own doing. */
export const DRIFT_CAUSES: ReadonlySet<AuditCause> = new Set(['drift', 'periodic', 'advice']);

/** Somebody who waits for a look. */
export interface AuditRequest {
  readonly cause: AuditCause;
  readonly parent: Carrier;
  readonly done: (result: { outcomes: readonly Outcome[] } | { error: Error }) => void;
}

/** What a look found, at the end. */
export interface LastAudit {
  readonly digest: string;
  readonly revision: bigint;
  readonly time: Date;
}

import type { MethodShape } from '#platform/rpc/definition.ts';

/** What exists and valid requests may name. */
export interface Existing {
  readonly network: string;
  readonly subnet: string;
  readonly port: string;
  readonly host: string;
}

/** A request that is right but for one field. */
export interface InvalidRequest {
  readonly service: 'ipam' | 'topology' | 'l2pop' | 'agent';
  readonly method: MethodShape;
  readonly bytes: Uint8Array;
  /** What the violation must name. */
  readonly field: string;
  readonly title: string;
}

/** A valid request of one method, and the fields to be spoilt with what to put there. */
export interface Spoilt {
  readonly service: InvalidRequest['service'];
  readonly method: MethodShape;
  readonly request: Readonly<Record<string, unknown>>;
  readonly spoil: Readonly<Record<string, readonly unknown[]>>;
}

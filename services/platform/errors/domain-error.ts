/** What the caller can do about an error; one gRPC status each (see rpc/status.ts). */
export type ErrorCode =
  | 'invalid' // INVALID_ARGUMENT: mend the request
  | 'not_found' // NOT_FOUND
  | 'exists' // ALREADY_EXISTS
  | 'conflict' // ABORTED: read again, try again
  | 'precondition' // FAILED_PRECONDITION: something else must change first
  | 'exhausted' // RESOURCE_EXHAUSTED: a pool or a limit is used up
  | 'denied' // PERMISSION_DENIED
  | 'out_of_range' // OUT_OF_RANGE: the history asked for is gone, take a snapshot
  | 'unavailable' // UNAVAILABLE: try again later
  | 'deadline' // DEADLINE_EXCEEDED
  | 'internal'; // INTERNAL: a defect; the text stays on this side

/** One field of a request that breaks a rule, in the terms of google.rpc.BadRequest. */
export interface FieldViolation {
  /** Path of the field as the proto names it, e.g. `subnet.allocation_pools[0].start`. */
  readonly field: string;
  /** The value and the rule it breaks, as one sentence. */
  readonly description: string;
}

export interface DomainErrorOptions {
  readonly details?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly cause?: unknown;
}

/** The one error class of weft: `code` for the caller's next move, `reason` for machines, the message for people. */
export class DomainError extends Error {
  readonly code: ErrorCode;
  /** Stable, UPPER_SNAKE; becomes google.rpc.ErrorInfo.reason. */
  readonly reason: string;
  readonly details: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];

  constructor(code: ErrorCode, reason: string, message: string, options: DomainErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DomainError';
    this.code = code;
    this.reason = reason;
    this.details = options.details ?? {};
    this.violations = options.violations ?? [];
  }
}

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};

/** INVALID_ARGUMENT for one field: names the field, the value and the rule. */
export const invalidField = (field: string, value: unknown, rule: string): DomainError =>
  new DomainError('invalid', 'INVALID_FIELD', `${field}: ${shown(value)} ${rule}`, {
    violations: [{ field, description: `${shown(value)} ${rule}` }],
  });

/** NOT_FOUND for a resource, e.g. `notFound('network', id)`. */
export const notFound = (kind: string, id: string): DomainError =>
  new DomainError('not_found', `${kind.toUpperCase()}_NOT_FOUND`, `${kind} ${shown(id)} does not exist`, {
    details: { [kind]: id },
  });

/** The thrown thing as an Error, whatever it was. */
export const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

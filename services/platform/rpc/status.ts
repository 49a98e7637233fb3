import { Metadata, type ServiceError, status, type StatusObject } from '@grpc/grpc-js';
import { BadRequest, ErrorInfo, RequestInfo } from '#proto/google/rpc/error_details.ts';
import { Status } from '#proto/google/rpc/status.ts';
import { DomainError, type ErrorCode, type FieldViolation } from '#platform/errors/domain-error.ts';

const TO_STATUS: Readonly<Record<ErrorCode, status>> = {
  invalid: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  conflict: status.ABORTED,
  precondition: status.FAILED_PRECONDITION,
  exhausted: status.RESOURCE_EXHAUSTED,
  denied: status.PERMISSION_DENIED,
  out_of_range: status.OUT_OF_RANGE,
  unavailable: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  internal: status.INTERNAL,
};

const FROM_STATUS: ReadonlyMap<status, ErrorCode> = new Map([
  ...Object.entries(TO_STATUS).map(([code, number]) => [number, code as ErrorCode] as const),
  [status.UNAUTHENTICATED, 'denied'],
  // The server gave up (it stops), or the peer never was one of ours: both may be better elsewhere or later.
  [status.CANCELLED, 'unavailable'],
]);

const DETAILS = 'grpc-status-details-bin';
const DOMAIN = 'weft';
const PREFIX = 'type.googleapis.com/';

// Trailers are headers: peers refuse more than 8 to 64 KiB of them, and then nothing of the error arrives.
const MAX_MESSAGE = 1_000;
const MAX_DESCRIPTION = 300;
const MAX_VIOLATIONS = 16;
const MAX_DETAILS = 16;

/**
 * What goes over the wire for anything thrown: a DomainError with its code, message and details; everything else, and
 * defects, as INTERNAL with a fixed text. The trace id is in the details of both (`ErrorInfo.metadata.trace_id` and
 * `RequestInfo.request_id`).
 */
export const toStatus = (thrown: unknown, traceId: string): Omit<StatusObject, 'metadata'> & { metadata: Metadata } => {
  const told = tellable(thrown, traceId);
  const code = TO_STATUS[told.code];
  const message = clipped(told.message, MAX_MESSAGE);
  const metadata = new Metadata();
  metadata.set(DETAILS, Buffer.from(Status.encode({ code, message, details: detailsOf(told, traceId) }).finish()));
  return { code, details: message, metadata };
};

/** The error on the caller's side: same code, reason, message, details and violations as the server's. */
export const fromServiceError = (error: ServiceError): DomainError => {
  const code = FROM_STATUS.get(error.code) ?? 'internal';
  const { info, violations } = decoded(error.metadata);
  const reason = info?.reason ?? status[error.code] ?? 'UNKNOWN';
  return new DomainError(code, reason, error.details, { details: { ...info?.metadata }, violations, cause: error });
};

/** True for what must be logged in full on this side, because the caller is not told. */
export const isDefect = (thrown: unknown): boolean => !(thrown instanceof DomainError) || thrown.code === 'internal';

const tellable = (thrown: unknown, traceId: string): DomainError => {
  if (thrown instanceof DomainError && thrown.code !== 'internal') return thrown;
  const reason = thrown instanceof DomainError ? thrown.reason : 'INTERNAL';
  return new DomainError('internal', reason, `internal error, trace ${traceId}`);
};

const detailsOf = (error: DomainError, traceId: string): Status['details'] => {
  const metadata = Object.fromEntries([
    ...Object.entries(error.details)
      .slice(0, MAX_DETAILS)
      .map(([key, value]) => [key, clipped(value, MAX_DESCRIPTION)] as const),
    ['trace_id', traceId],
  ]);
  const info = ErrorInfo.encode({ reason: error.reason, domain: DOMAIN, metadata }).finish();
  const request = RequestInfo.encode({ request_id: traceId, serving_data: '' }).finish();
  return [
    ...(error.violations.length > 0 ? [packed('google.rpc.BadRequest', badRequest(error.violations))] : []),
    packed('google.rpc.ErrorInfo', info),
    packed('google.rpc.RequestInfo', request),
  ];
};

const badRequest = (violations: readonly FieldViolation[]): Uint8Array =>
  BadRequest.encode({
    field_violations: violations.slice(0, MAX_VIOLATIONS).map(({ field, description }) => ({
      field: clipped(field, MAX_DESCRIPTION),
      description: clipped(description, MAX_DESCRIPTION),
    })),
  }).finish();

const packed = (type: string, value: Uint8Array): Status['details'][number] => ({
  type_url: PREFIX + type,
  value: Buffer.from(value),
});

// grpc-js percent-encodes the message and dies of a lone surrogate, as cutting a text or a peer's JSON can leave one.
const clipped = (text: string, length: number): string =>
  (text.length > length ? `${text.slice(0, length - 3)}...` : text).toWellFormed();

interface Decoded {
  readonly info?: ErrorInfo;
  readonly violations: readonly FieldViolation[];
}

/** Nothing where a peer, or something between, sent no details or no valid ones. */
const decoded = (metadata: Metadata | undefined): Decoded => {
  const [bytes] = metadata?.get(DETAILS) ?? [];
  if (!(bytes instanceof Uint8Array)) return { violations: [] };
  try {
    const { details } = Status.decode(bytes);
    const find = (type: string): Uint8Array | undefined =>
      details.find(({ type_url }) => type_url === PREFIX + type)?.value;
    const info = find('google.rpc.ErrorInfo');
    const request = find('google.rpc.BadRequest');
    return {
      ...(info !== undefined && { info: ErrorInfo.decode(info) }),
      violations: request === undefined ? [] : BadRequest.decode(request).field_violations,
    };
  } catch {
    return { violations: [] };
  }
};

import { isSpanContextValid, trace } from '@opentelemetry/api';
import { destination, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Log, LogLevel } from './log.ts';

export interface LogOptions {
  /** The process, in every line. */
  readonly name: string;
  readonly level: LogLevel;
  /** Standard error, an open file descriptor, or a file to append to (made with its folders where missing). */
  readonly destination: 'stderr' | number | { readonly path: string };
}

/**
 * A log of JSON lines: `level`, `time` (ISO 8601, UTC), `name`, `pid`, the fields, `msg`, and `trace_id` and `span_id` of the
 * active span. Lines are written before the call returns, so that the last line of a dying process is there too.
 */
export const createLog = ({ name, level, destination: to }: LogOptions): Log =>
  pino(
    {
      base: { name, pid: process.pid },
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
      mixin: traceFields,
    },
    destination(
      typeof to === 'object'
        ? { dest: to.path, append: true, mkdir: true, sync: true }
        : { fd: to === 'stderr' ? 2 : to, sync: true },
    ),
  );

const traceFields = (): Record<string, string> => {
  const context = trace.getActiveSpan()?.spanContext();
  return context !== undefined && isSpanContextValid(context)
    ? { trace_id: context.traceId, span_id: context.spanId }
    : {};
};

/** A DomainError without its stack: it tells what a caller did, not where the code is. Anything else as pino does. */
const errorFields = (thrown: unknown): unknown => {
  if (thrown instanceof DomainError && thrown.code !== 'internal') {
    const { code, reason, message, details, cause } = thrown;
    return { code, reason, message, details, ...(cause === undefined ? {} : { cause: errorFields(cause) }) };
  }
  return thrown instanceof Error ? stdSerializers.err(thrown) : thrown;
};

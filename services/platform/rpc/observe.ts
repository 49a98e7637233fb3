import { type Metadata, status } from '@grpc/grpc-js';
import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { toError } from '#platform/errors/domain-error.ts';
import { unixNow } from '#platform/telemetry/clock.ts';
import { histogram } from '#platform/telemetry/instruments.ts';
import { CALLER } from '#platform/telemetry/origin.ts';
import { serviceContext } from '#platform/telemetry/spans.ts';

// Around the calls themselves and not as grpc-js interceptors: those cost several objects and closures per call, see a
// cancelled server call only by half, and lose the active span between their hooks.

const DURATIONS = {
  server: histogram('weft_rpc_server_duration_seconds', 'Time to answer a call, by method and code'),
  client: histogram('weft_rpc_client_duration_seconds', 'Time until a call was answered, by method and code'),
} as const;

/** One call as telemetry sees it, from its start to `end`. */
export interface ObservedCall {
  /** The context with the call's span in it. */
  readonly context: Context;
  readonly span: Span;
  /** Ends the span, with what went wrong, and records the duration; ending it again does nothing. */
  end(code: status, cause?: unknown): void;
}

/** `weft.ipam.v1.IpamService/GetSubnet` of `/weft.ipam.v1.IpamService/GetSubnet`. */
export const methodOf = (path: string): string => path.replace(/^\//, '');

/** An incoming call: child of the caller's span, in the name of `service`. */
export const observeServerCall = (
  method: string,
  metadata: Metadata,
  service: string,
  caller: string,
): ObservedCall => {
  const parent = serviceContext(propagation.extract(ROOT_CONTEXT, metadata, getter), service);
  const within = isRoutine(method, parent) ? suppressTracing(parent) : parent;
  return observe('server', method, within, { [CALLER]: caller });
};

/** An outgoing call: child of the active span; its context is put into `metadata`. */
export const observeClientCall = (method: string, metadata: Metadata, address: string): ObservedCall => {
  const active = context.active();
  const call = observe('client', method, isRoutine(method, active) ? suppressTracing(active) : active);
  if (call.span.isRecording()) call.span.setAttribute('server.address', address);
  propagation.inject(call.context, metadata, setter);
  return call;
};

const ROUTINE = /^grpc\.|Service\/(?:Get|List|Watch|WaitFor|Renew|ReportHostState)/;

/**
 * Calls that come all the time and change nothing (looks, leases, periodic reports, probes) begin no trace of their own:
 * they would push the traces that tell something out of every store. As part of another trace they are recorded.
 */
const isRoutine = (method: string, parent: Context): boolean =>
  trace.getSpanContext(parent) === undefined && ROUTINE.test(method);

const observe = (side: 'server' | 'client', method: string, parent: Context, more: Attributes = {}): ObservedCall => {
  const began = performance.now();
  const kind = side === 'server' ? SpanKind.SERVER : SpanKind.CLIENT;
  const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': method, ...more };
  const span = trace.getTracer('weft').startSpan(method, { kind, attributes, startTime: unixNow() }, parent);
  let ended = false;
  return {
    context: trace.setSpan(parent, span),
    span,
    end: (code, cause) => {
      if (ended) return;
      ended = true;
      const name = status[code] ?? String(code);
      DURATIONS[side].record((performance.now() - began) / 1_000, { method, code: name });
      if (!span.isRecording()) return;
      span.setAttribute('rpc.response.status_code', name);
      // A caller that leaves a stream has had what it wanted.
      if (side === 'client' ? cause !== undefined : SERVER_FAULTS.has(code)) {
        span.setAttribute('error.type', name);
        span.setStatus({ code: SpanStatusCode.ERROR, message: cause === undefined ? name : toError(cause).message });
        // A defect of this side: the trace is where its stack can be found.
        if (side === 'server' && code === status.INTERNAL) span.recordException(toError(cause), unixNow());
      }
      span.end(unixNow());
    },
  };
};

// For a server, what the caller did wrong is no error of its own (semantic conventions for gRPC).
const SERVER_FAULTS: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

const getter = {
  get: (metadata: Metadata, key: string): string | undefined => metadata.get(key)[0]?.toString(),
  keys: (metadata: Metadata): string[] => Object.keys(metadata.getMap()),
};

const setter = {
  set: (metadata: Metadata, key: string, value: string): void => {
    metadata.set(key, value);
  },
};

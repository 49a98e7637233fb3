import type { Span } from '@opentelemetry/api';
import { addEvent } from '#platform/telemetry/spans.ts';
import { commandOf, type Outcome } from '../model/operation.ts';

/** More commands than this in one step are counted, not listed. */
const LISTED = 64;

type Listener = (span: Span, outcomes: readonly Outcome[], time: number | undefined) => void;

const listeners = new Set<Listener>();

/** Has `listener` told of all that is done within a span of this process, until it is disposed of; it must not wait. */
export const onAnnotated = (listener: Listener): Disposable => {
  listeners.add(listener);
  return {
    [Symbol.dispose]: () => {
      listeners.delete(listener);
    },
  };
};

/** Writes into a span what was done, down to the commands; `time`: when that was, if not now, by `unixNow`. */
export const annotate = (span: Span, outcomes: readonly Outcome[], time?: number): void => {
  for (const listener of listeners) listener(span, outcomes, time);
  if (!span.isRecording()) return;
  span.setAttribute('weft.operation.count', outcomes.length);
  for (const { operation, error } of outcomes.slice(0, LISTED)) {
    const attributes = {
      'weft.operation.kind': operation.kind,
      'weft.command': commandOf(operation),
      'weft.reason': operation.reason,
      ...(error !== undefined && { 'weft.error': error }),
    };
    addEvent(span, 'operation', attributes, time);
  }
};

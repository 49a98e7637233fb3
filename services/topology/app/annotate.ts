import { trace } from '@opentelemetry/api';

/** Says on the active span what the call turned out to be about. */
export const annotate = (about: {
  readonly port?: string;
  readonly network?: string;
  readonly host?: string;
  readonly revision?: number;
}): void => {
  const span = trace.getActiveSpan();
  if (span?.isRecording() !== true) return;
  if (about.port !== undefined) span.setAttribute('weft.port.id', about.port);
  if (about.network !== undefined) span.setAttribute('weft.network.id', about.network);
  if (about.host !== undefined) span.setAttribute('weft.host.id', about.host);
  if (about.revision !== undefined) span.setAttribute('weft.revision', about.revision);
};

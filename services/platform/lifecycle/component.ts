/**
 * Something that runs and must be stopped. Started in list order, stopped in reverse; a failed start unwinds what had
 * been started.
 */
export interface Component {
  readonly name: string;
  /** Resolves once this is useful to those started after it. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves once nothing of it runs any more; never rejects for work already failed. */
  stop(signal: AbortSignal): Promise<void>;
}

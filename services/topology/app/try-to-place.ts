import { DomainError } from '#platform/errors/domain-error.ts';
import { counter } from '#platform/telemetry/instruments.ts';
import type { Environment } from './environment.ts';

/** Counts what hosts were given to serve. */
export const placements = counter('weft_placements', 'What hosts were given to serve, by kind and why.');

/** What others did faster, or undid, is no failure. */
const HARMLESS: ReadonlySet<string> = new Set([
  'PORT_EXISTS',
  'PORT_NOT_FOUND',
  'NETWORK_NOT_FOUND',
  'NETWORK_BEING_DELETED',
  'STILL_RELEASING',
  'CREATION_UNDONE',
  'HOST_BEING_DELETED',
  'HOST_NOT_FOUND',
]);

/** Does one step of placing. What fails is logged: it is decided anew at the next look. Throws the signal's reason alone. */
export const tryToPlace = async (
  { log }: Pick<Environment, 'log'>,
  about: Readonly<Record<string, string>>,
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DomainError && HARMLESS.has(error.reason)) return;
    log.warn({ err: error, ...about }, 'what hosts serve is placed later');
  }
};

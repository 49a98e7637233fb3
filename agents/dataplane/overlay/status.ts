import type { DomainError } from '#platform/errors/domain-error.ts';
import type { Outcome } from '../model/operation.ts';
import type { ObservedHost } from './model/observed.ts';
import type { OverlaySpec } from './model/spec.ts';

/** How an overlay was at the last look. */
export interface OverlayStatus {
  /** `waiting`: for something that others provide. */
  readonly state: 'ready' | 'waiting' | 'failed';
  readonly messages: readonly string[];
  readonly mtu?: number;
  readonly datapathType?: string;
  readonly lookTime?: Date;
}

const WAITS_FOR_OTHERS = new Set([
  'BRIDGE_NOT_FOUND',
  'NO_ROUTE',
  'OVS_UNAVAILABLE',
  'DATAPATH_UNAVAILABLE',
  'VSWITCHD_NOT_CAUGHT_UP',
]);

/** What a look has found, as a status. */
export const statusOf = (
  problems: readonly DomainError[],
  failures: readonly string[],
  facts: { readonly mtu?: number; readonly datapathType?: string },
): OverlayStatus => {
  const isWaiting = failures.length === 0 && problems.every(({ reason }) => WAITS_FOR_OTHERS.has(reason));
  const messages = [...problems.map(({ message }) => message), ...failures];
  const state = messages.length === 0 ? 'ready' : isWaiting ? 'waiting' : 'failed';
  return { state, messages, ...facts, lookTime: new Date() };
};

/** What was tried in vain. */
export const failuresOf = (outcomes: readonly Outcome[]): readonly string[] =>
  outcomes.flatMap(({ operation, error }) => (error === undefined ? [] : [`${operation.argv.join(' ')}: ${error}`]));

/** Ports of the overlay that ovs-vswitchd could not make. */
export const brokenPorts = (spec: OverlaySpec, { ports }: ObservedHost): readonly string[] =>
  [...ports.values()]
    .filter(({ overlay, bridge, error }) => error !== undefined && (overlay === spec.name || bridge === spec.bridge))
    .map(({ name, error }) => `port ${name}: ${error ?? ''}`);

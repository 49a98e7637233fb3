import type { HostId, Uuid } from '#platform/net/names.ts';
import { type Binding, deviceDown, refused } from '../domain/binding.ts';
import { isServed } from '../domain/device-owner.ts';
import type { Port } from '../domain/port.ts';
import { annotate } from './annotate.ts';
import type { Environment } from './environment.ts';
import { rebind } from './rebind.ts';

/** What a host says about a port it had heard to be bound at `generation`. */
export interface PortWord {
  readonly hostId: HostId;
  readonly portId: Uuid;
  readonly generation: number;
}

/**
 * The device of a port is gone from a host: the port goes to the newest host that still has one, or nowhere, unless the
 * word is about an older binding. Returns whether it took the binding from the host. A port that does not exist is no error.
 */
export const reportPortDown = async (
  environment: Environment,
  { hostId, portId, generation }: PortWord,
  signal: AbortSignal,
): Promise<boolean> => {
  annotate({ host: hostId, port: portId });
  // Where a port is served is topology's to say: its device coming and going is the host's work on it.
  const rule = (binding: Binding, { deviceOwner }: Port): Binding =>
    isServed(deviceOwner) ? binding : deviceDown(binding, hostId, generation);
  const done = await rebind(environment, portId, rule, 'ReportPortDown', signal);
  return done?.before.hostId === hostId && done.port.binding.hostId !== hostId;
};

/**
 * A host cannot serve a port that is bound to it: its status becomes ERROR with that message, until the host reports it up
 * again or it moves. Returns whether that changed the port; a word about an older binding does not.
 */
export const reportPortFailed = async (
  environment: Environment,
  { hostId, portId, generation }: PortWord,
  message: string,
  signal: AbortSignal,
): Promise<boolean> => {
  annotate({ host: hostId, port: portId });
  const rule = (binding: Binding) => refused(binding, hostId, generation, message);
  const done = await rebind(environment, portId, rule, 'ReportPortFailed', signal);
  const changed = done !== undefined && done.before !== done.port.binding;
  if (changed) environment.log.warn({ port: portId, host: hostId, message }, 'a host refuses a port');
  return changed;
};

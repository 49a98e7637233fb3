import { DomainError } from '#platform/errors/domain-error.ts';
import type { Host, HostSpec } from '../domain/host.ts';
import type { Environment, Mutation } from './environment.ts';
import { mutate } from './mutate.ts';
import { reserveVtep } from './register-host.ts';
import { Writer } from './write.ts';

/** Makes a host known before its agent registers it. Throws `exists`: HOST_EXISTS, VTEP_IN_USE. */
export const createHost = async (
  environment: Environment,
  spec: HostSpec,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<Host> => {
  const { store, records } = environment;
  return await mutate(
    store,
    mutation,
    records.hosts,
    async (tx) => {
      if ((await tx.get(records.hosts, spec.id)) !== undefined) {
        throw new DomainError('exists', 'HOST_EXISTS', `host ${spec.id} exists already`, {
          details: { host: spec.id },
        });
      }
      await reserveVtep(environment, tx, spec);
      return new Writer(environment, tx, mutation.cause).createHost({ ...spec, alive: false }, undefined);
    },
    signal,
  );
};

import type { Transaction } from '#platform/store/store.ts';
import type { Release } from '../domain/errand.ts';
import type { Environment, Mutation } from './environment.ts';
import { tryFinishRelease } from './errands.ts';
import { mutate, nothing } from './mutate.ts';

/**
 * Deletes in one commit, once per request id, and then gives back what IPAM holds for what went: `remove` returns it, where
 * there is something. When IPAM is away it is given back as soon as that is there.
 */
export const deleteReleasing = async (
  environment: Environment,
  mutation: Mutation,
  remove: (tx: Transaction) => Promise<Release | undefined>,
  signal: AbortSignal,
): Promise<void> => {
  const release = await mutate<Release | undefined>(environment.store, mutation, nothing, remove, signal);
  if (release !== undefined && !mutation.validateOnly) await tryFinishRelease(environment, release, signal);
};

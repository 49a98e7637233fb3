import type { Transaction, Versioned } from '#platform/store/store.ts';
import { holderKey, portHolder, type Release } from '../domain/errand.ts';
import type { Port } from '../domain/port.ts';
import type { Environment } from './environment.ts';
import { newRelease } from './errands.ts';
import type { Writer } from './write.ts';

/**
 * Removes a port in the caller's commit. What IPAM holds for it is given back by whoever finishes the release that this
 * returns: the caller after its commit, or else the loop of errands.
 */
export const removePort = async (
  environment: Environment,
  tx: Transaction,
  writer: Writer,
  port: Versioned<Port>,
): Promise<Release> => {
  const { records } = environment;
  const release = newRelease(environment, portHolder(port.value));
  const key = holderKey(release.holder);
  const [errand] = await Promise.all([tx.get(records.errands, key), writer.deletePort(port)]);
  tx.put(records.errands, key, release, errand?.version ?? 'absent');
  return release;
};

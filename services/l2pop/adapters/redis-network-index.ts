import type { Uuid } from '#platform/net/names.ts';
import type { RedisConnection } from '#platform/redis/connection.ts';
import type { NetworkIndex } from '../app/ports.ts';
import { withScripts } from './redis-commands.ts';
import { allKeys, NETWORKS_KEY, tableKeys } from './table-keys.ts';

/** The networks in a sorted set; whether a table is closed stands with the table. */
export class RedisNetworkIndex implements NetworkIndex {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async has(networkId: Uuid, signal: AbortSignal): Promise<boolean> {
    return (await this.#redis.run((client) => client.zscore(NETWORKS_KEY, networkId), signal)) !== null;
  }

  async list(after: string | undefined, limit: number, signal: AbortSignal): Promise<readonly Uuid[]> {
    const from = after === undefined ? '-' : `(${after}`;
    const ids = await this.#redis.run(
      (client) => client.zrange(NETWORKS_KEY, from, '+', 'BYLEX', 'LIMIT', 0, limit),
      signal,
    );
    // Only parsed ids are ever put in.
    return ids.map((id) => id as Uuid);
  }

  async add(networks: readonly { readonly id: Uuid; readonly revision: number }[], signal: AbortSignal): Promise<void> {
    if (networks.length === 0) return;
    await this.#redis.run(
      (client) =>
        Promise.all([
          client.zadd(NETWORKS_KEY, ...networks.flatMap(({ id }) => [0, id])),
          ...networks.map(({ id, revision }) =>
            withScripts(client).l2popRevive(...allKeys(tableKeys(id)), revision.toString()),
          ),
        ]),
      signal,
    );
  }

  async retire(networkId: Uuid, revision: number, signal: AbortSignal): Promise<number> {
    const keys = allKeys(tableKeys(networkId));
    const left = await this.#redis.run(
      (client) => withScripts(client).l2popRetire(...keys, revision.toString()),
      signal,
    );
    if (left === 0) await this.#redis.run((client) => client.zrem(NETWORKS_KEY, networkId), signal);
    return Number(left);
  }
}

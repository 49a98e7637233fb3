import type { ChainableCommander } from 'ioredis';
import { DomainError } from '#platform/errors/domain-error.ts';
import { type RedisConnection, toDomainError } from '#platform/redis/connection.ts';

/** The values of a pipeline's or a transaction's replies; throws what the first failed command failed of. */
export const unwrapped = (replies: readonly (readonly [Error | null, unknown])[] | null): readonly unknown[] => {
  if (replies === null) throw new DomainError('unavailable', 'STORE_UNAVAILABLE', 'redis dropped the transaction');
  return replies.map(([error, value]) => {
    if (error !== null) throw toDomainError(error);
    return value;
  });
};

/** The replies to commands that Redis runs with nothing in between. */
export const atOnce = async (
  redis: RedisConnection,
  ask: (batch: ChainableCommander) => ChainableCommander,
  signal: AbortSignal,
): Promise<readonly unknown[]> => unwrapped(await redis.run((client) => ask(client.multi()).exec(), signal));

/** A reply that should be a list. */
export const list = (reply: unknown): readonly unknown[] => (Array.isArray(reply) ? reply : []);

/** A reply that should be a hash. */
export const pairs = (reply: unknown): readonly (readonly [string, string])[] =>
  typeof reply === 'object' && reply !== null ? Object.entries(reply).map(([name, text]) => [name, String(text)]) : [];

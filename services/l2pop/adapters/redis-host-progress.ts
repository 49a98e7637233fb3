import { DomainError } from '#platform/errors/domain-error.ts';
import type { HostId } from '#platform/net/names.ts';
import type { RedisConnection } from '#platform/redis/connection.ts';
import type { Acknowledgement, HostProgressStore } from '../app/ports.ts';
import type { ReportedNetwork, Verdict } from '../domain/advice.ts';
import { withScripts } from './redis-commands.ts';
import { list, unwrapped } from './replies.ts';
import { tableKeys } from './table-keys.ts';

/** Keeps how far hosts are beside each table; all networks of a call go in one round trip. */
export class RedisHostProgress implements HostProgressStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async acknowledge(acks: readonly Acknowledgement[], now: number, signal: AbortSignal): Promise<void> {
    await this.#pipelined(
      [...Map.groupBy(acks, (ack) => ack.networkId)].map(([networkId, own]) => {
        const keys = tableKeys(networkId);
        const told = own.flatMap((ack) => [ack.hostId, ack.revision.toString()]);
        return [keys.state, keys.hosts, keys.acks, now.toString(), ...told];
      }),
      'l2popAcknowledge',
      signal,
    );
  }

  async report(
    hostId: HostId,
    networks: readonly ReportedNetwork[],
    now: number,
    signal: AbortSignal,
  ): Promise<readonly (Verdict | undefined)[]> {
    const replies = await this.#pipelined(
      networks.map(({ networkId, revision, digest, digestRevision, driftRepaired }) => {
        const keys = tableKeys(networkId);
        return [
          keys.state,
          keys.hosts,
          keys.changes,
          keys.acks,
          hostId,
          revision.toString(),
          digest === '' ? '-' : digest,
          digestRevision.toString(),
          driftRepaired.toString(),
          now.toString(),
        ];
      }),
      'l2popReport',
      signal,
    );
    return replies.map(toVerdict);
  }

  async #pipelined(
    calls: readonly (readonly string[])[],
    script: 'l2popAcknowledge' | 'l2popReport',
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    if (calls.length === 0) return [];
    const replies = await this.#redis.run(async (client) => {
      const batch = withScripts(client).pipeline();
      for (const call of calls) batch[script](...call);
      return await batch.exec();
    }, signal);
    return unwrapped(replies);
  }
}

const toVerdict = (reply: unknown): Verdict | undefined => {
  const [known, revision, expectedDigest, lifted, advanced] = list(reply);
  if (known === 0) return undefined;
  if (typeof expectedDigest !== 'string') {
    throw new DomainError('internal', 'STORE_REPLY', `the report script answered ${JSON.stringify(reply)}`);
  }
  return { revision: Number(revision), expectedDigest, lifted: lifted === 1, advanced: advanced === 1 };
};

import { Advice as WireAdvice, type L2populationServiceService } from '#proto/weft/l2pop/v1/l2pop.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { RpcClient } from '#platform/rpc/client.ts';
import type { Advice, ForwardingSource, HeldNetwork, TableChange, TableSnapshot } from '../model/control-plane.ts';
import type { ForwardingEntry } from '../model/intent.ts';
import { parseEntry, parseRevision } from './wire.ts';

const SNAPSHOT_MS = 60_000;

/** l2pop over gRPC. */
export class L2popSource implements ForwardingSource {
  readonly #client: RpcClient<typeof L2populationServiceService>;
  readonly #hostId: string;
  readonly #log: Log;

  constructor(client: RpcClient<typeof L2populationServiceService>, hostId: string, log: Log) {
    this.#client = client;
    this.#hostId = hostId;
    this.#log = log;
  }

  async snapshot(
    networkId: string,
    signal: AbortSignal,
    onPart?: (entries: readonly ForwardingEntry[]) => void,
  ): Promise<TableSnapshot> {
    const entries: ForwardingEntry[] = [];
    let complete = false;
    let revision = 0n;
    const stream = this.#client.getSnapshot({ network_id: networkId }, { signal, timeoutMs: SNAPSHOT_MS });
    for await (const chunk of stream) {
      revision = BigInt(chunk.revision);
      complete = chunk.complete;
      const first = entries.length;
      for (const entry of chunk.entries) {
        try {
          entries.push(parseEntry('entries', entry));
        } catch (thrown) {
          this.#onBad(thrown);
        }
      }
      onPart?.(entries.slice(first));
    }
    if (!complete) throw new DomainError('unavailable', 'SNAPSHOT_CUT_OFF', `the snapshot of ${networkId} ended early`);
    return { revision, entries };
  }

  async changesSince(networkId: string, since: bigint, signal: AbortSignal): Promise<readonly TableChange[]> {
    const changes: TableChange[] = [];
    let held = since;
    for (;;) {
      const request = { network_id: networkId, since_revision: String(held) };
      const answer = await this.#client.listChanges(request, { signal });
      for (const change of answer.changes) {
        changes.push(
          parseRevision(change, (error) => {
            this.#onBad(error);
          }),
        );
      }
      const last = changes.at(-1)?.revision ?? held;
      if (answer.changes.length === 0 || last >= BigInt(answer.revision)) {
        // A table that is behind this host began anew: its history cannot lead from here to there.
        if (BigInt(answer.revision) < since) {
          throw new DomainError(
            'out_of_range',
            'TABLE_BEGAN_ANEW',
            `network ${networkId} is at revision ${answer.revision}`,
          );
        }
        return changes;
      }
      held = last;
    }
  }

  async report(networks: readonly HeldNetwork[], signal: AbortSignal): Promise<readonly Advice[]> {
    const { advices } = await this.#client.reportHostState(
      {
        host_id: this.#hostId,
        networks: networks.map((held) => ({
          network_id: held.networkId,
          revision: String(held.revision),
          digest: held.digest,
          digest_revision: String(held.digestRevision),
          drift_repaired: held.driftRepaired,
        })),
      },
      { signal },
    );
    return advices.flatMap(({ network_id: networkId, advice }): Advice[] => {
      if (advice === WireAdvice.ADVICE_FETCH_CHANGES) return [{ networkId, advice: 'fetch-changes' }];
      if (advice === WireAdvice.ADVICE_RESYNC) return [{ networkId, advice: 'resync' }];
      return [];
    });
  }

  #onBad(thrown: unknown): void {
    if (!(thrown instanceof DomainError)) throw thrown;
    this.#log.error({ error: thrown.message }, 'bad entry from l2pop left out');
  }
}

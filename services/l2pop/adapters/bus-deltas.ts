import { aborted } from '#platform/async/aborted.ts';
import { busUnavailable } from '#platform/nats/connection.ts';
import type { SubjectBus } from '#platform/nats/subject-bus.ts';
import type { Uuid } from '#platform/net/names.ts';
import type { Carrier } from '#platform/telemetry/spans.ts';
import type { DeltaCodec, DeltaFeed, DeltaPublisher } from '../app/ports.ts';
import type { TableRevision } from '../domain/table.ts';

const subjectOf = (networkId: Uuid): string => `weft.forwarding.${networkId}`;

/** Deltas over core NATS: one message per change, whatever the number of hosts. */
export class BusDeltas implements DeltaPublisher, DeltaFeed {
  readonly #bus: SubjectBus;
  readonly #codec: DeltaCodec;

  constructor(bus: SubjectBus, codec: DeltaCodec) {
    this.#bus = bus;
    this.#codec = codec;
  }

  publish(networkId: Uuid, revision: TableRevision, trace: Carrier): void {
    const sent = this.#bus.publish(subjectOf(networkId), this.#codec.encode(networkId, revision), trace);
    if (!sent) throw busUnavailable('nats is away: hosts were not told of a change');
  }

  async follow(
    networkId: Uuid,
    listener: (revision: TableRevision | undefined) => void,
    signal: AbortSignal,
  ): Promise<AsyncDisposable> {
    const subscription = this.#bus.subscribe(subjectOf(networkId), {}, ({ data }) => {
      listener(this.#codec.decode(data));
    });
    using abort = aborted(signal);
    try {
      await Promise.race([this.#bus.flush(), abort.promise]);
    } catch (error) {
      await subscription[Symbol.asyncDispose]();
      throw error;
    }
    return subscription;
  }
}

import { ForwardingAck, ForwardingDelta } from '#proto/weft/event/v1/event.ts';
import { toError } from '#platform/errors/domain-error.ts';
import type { Log } from '#platform/log/log.ts';
import type { SubjectBus } from '#platform/nats/subject-bus.ts';
import { withDeadline } from '#platform/async/deadline.ts';
import { counter } from '#platform/telemetry/instruments.ts';
import type { Carrier, LazyCarrier } from '#platform/telemetry/spans.ts';
import type { ForwardingFeed, TableChange } from '../model/control-plane.ts';
import { parseDelta } from './wire.ts';

const badMessages = counter('weft_bad_messages', 'Messages from the bus that could not be read');
const FLUSH_MS = 1_000;

/** Deltas and acknowledgements over core NATS; acknowledgements that come together go as one message. */
export class NatsFeed implements ForwardingFeed {
  readonly #bus: SubjectBus;
  readonly #hostId: string;
  readonly #log: Log;
  readonly #acks = new Map<string, bigint>();
  #ackCause: Carrier = {};

  constructor(bus: SubjectBus, hostId: string, log: Log) {
    this.#bus = bus;
    this.#hostId = hostId;
    this.#log = log;
  }

  get connected(): boolean {
    return this.#bus.connected;
  }

  subscribe(networkId: string, onDelta: (delta: TableChange, cause: LazyCarrier) => void): AsyncDisposable {
    return this.#bus.subscribe(`weft.forwarding.${networkId}`, {}, (message) => {
      try {
        const delta = ForwardingDelta.decode(message.data);
        if (delta.network_id !== networkId) throw new Error(`it is about network ${JSON.stringify(delta.network_id)}`);
        onDelta(
          parseDelta(delta, (error) => {
            badMessages.add(1);
            this.#log.error({ network: networkId, error: error.message }, 'bad entry in a delta left out');
          }),
          () => message.headers,
        );
      } catch (thrown) {
        badMessages.add(1);
        this.#log.error({ network: networkId, error: toError(thrown).message }, 'delta not readable');
      }
    });
  }

  async flush(signal: AbortSignal): Promise<void> {
    // The pull is right without it, only later: a reconnection brings a report, a report brings advice.
    await withDeadline(FLUSH_MS, signal, async () => this.#bus.flush()).catch(() => undefined);
  }

  ack(networkId: string, revision: bigint, cause: Carrier): void {
    if (this.#acks.size === 0) {
      this.#ackCause = cause;
      setImmediate(() => {
        this.#sendAcks();
      });
    }
    this.#acks.set(networkId, revision);
  }

  #sendAcks(): void {
    const networks = [...this.#acks].map(([network_id, revision]) => ({ network_id, revision: String(revision) }));
    this.#acks.clear();
    const message = ForwardingAck.encode({ host_id: this.#hostId, networks }).finish();
    // Lost while the bus is away: the next report makes it good.
    this.#bus.publish(`weft.ack.${this.#hostId}`, message, this.#ackCause);
  }
}

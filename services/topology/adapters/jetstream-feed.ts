import { DeliverPolicy, jetstream, JetStreamApiCodes, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { DomainError, toError } from '#platform/errors/domain-error.ts';
import { busUnavailable, type NatsClient, type NatsConnection } from '#platform/nats/connection.ts';
import { isApiError } from '#platform/nats/stream.ts';
import type { Feed, FeedEntry, FeedPosition, ResourceKind } from '../app/feed.ts';

const API_MS = 2_000;
/** How often a reader looks whether the bus is still there. */
const PRESENCE_MS = 500;

/** The log of changes as JetStream keeps it: sequence numbers without holes, forgotten from the beginning only. */
export class JetStreamFeed implements Feed {
  readonly #nats: NatsConnection;
  readonly #stream: string;

  constructor(nats: NatsConnection, stream: string) {
    this.#nats = nats;
    this.#stream = stream;
  }

  async end(signal: AbortSignal): Promise<FeedPosition> {
    signal.throwIfAborted();
    const { created, state } = await this.#info(this.#client());
    return { log: created, sequence: state.last_seq };
  }

  async *follow(position: FeedPosition, signal: AbortSignal): AsyncGenerator<FeedEntry, void> {
    signal.throwIfAborted();
    const client = this.#client();
    const { created, state } = await this.#info(client);
    const kept = position.sequence + 1 >= state.first_seq && position.sequence <= state.last_seq;
    if (created !== position.log || !kept) throw expired();
    const consumer = await this.#tried(() =>
      jetstream(client, { timeout: API_MS }).consumers.get(this.#stream, {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: position.sequence + 1,
      }),
    );
    const messages = await this.#tried(() => consumer.consume());
    const stop = (): void => {
      messages.stop();
    };
    const presence = setInterval(() => {
      if (!this.#nats.connected) stop();
    }, PRESENCE_MS);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      let { sequence } = position;
      for await (const message of messages) {
        // Whoever reads so slowly that the log forgot what is next must not go on as if nothing was missing.
        if (message.seq !== sequence + 1) throw expired();
        sequence = message.seq;
        yield { kind: kindOf(message.subject), payload: message.data, position: { log: created, sequence } };
      }
      signal.throwIfAborted();
      throw busUnavailable('nats went away');
    } finally {
      clearInterval(presence);
      signal.removeEventListener('abort', stop);
      stop();
    }
  }

  #client(): NatsClient {
    const { client } = this.#nats;
    if (client === undefined) throw busUnavailable('nats is away');
    return client;
  }

  async #info(client: NatsClient): Promise<StreamInfo> {
    return await this.#tried(async () => {
      const manager = await jetstreamManager(client, { timeout: API_MS, checkAPI: false });
      return await manager.streams.info(this.#stream);
    });
  }

  async #tried<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      const missing = isApiError(thrown, JetStreamApiCodes.StreamNotFound);
      throw busUnavailable(
        missing ? `stream ${this.#stream} is not there yet` : 'jetstream does not answer',
        toError(thrown),
      );
    }
  }
}

const KINDS: readonly ResourceKind[] = ['host', 'network', 'port', 'router', 'floating_ip'];

const kindOf = (subject: string): ResourceKind => {
  const kind = subject.split('.')[2];
  return KINDS.find((known) => known === kind) ?? 'port';
};

const expired = (): DomainError =>
  new DomainError(
    'out_of_range',
    'WATCH_EXPIRED',
    'changes after this resume_token are no longer kept: watch without it',
  );

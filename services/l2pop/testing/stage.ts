import path from 'node:path';
import type { Log } from '#platform/log/log.ts';
import type { HostId, Uuid } from '#platform/net/names.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { JetStreamPublisher } from '#platform/nats/jetstream-publisher.ts';
import { SubjectBus } from '#platform/nats/subject-bus.ts';
import { ForwardingAck, ForwardingDelta } from '#proto/weft/event/v1/event.ts';
import { type RealServer, startNats, startRedis, temporaryDirectory } from '../../../test/support/real-servers.ts';
import type { TopologyChange } from '../app/topology-events.ts';
import { FakeTopology } from './fake-topology.ts';
import { type Replica, type ReplicaOptions, startReplica } from './replica.ts';
import { eventOf, topologyServer } from './topology-server.ts';

/** A delta as a host receives it. */
export interface Heard {
  readonly delta: ForwardingDelta;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything around l2pop: real Redis and NATS, a topology that publishes its events, a host that listens. */
export class Stage implements AsyncDisposable {
  readonly topology = new FakeTopology();
  readonly redis: RealServer;
  readonly nats: RealServer;
  readonly heard: Heard[] = [];
  readonly #dir: string;
  readonly #log: Log;
  readonly #stack: AsyncDisposableStack;
  readonly #publisher: JetStreamPublisher;
  readonly #bus: SubjectBus;
  #replicas = 0;
  #events = 0;

  private constructor(
    servers: { readonly redis: RealServer; readonly nats: RealServer },
    connection: NatsConnection,
    place: { readonly dir: string; readonly log: Log },
    stack: AsyncDisposableStack,
  ) {
    this.redis = servers.redis;
    this.nats = servers.nats;
    this.#dir = place.dir;
    this.#log = place.log;
    this.#stack = stack;
    const stream = { name: 'WEFT_TOPOLOGY', subjects: ['weft.topology.>'], maxAgeMs: 3_600_000 };
    this.#publisher = new JetStreamPublisher(connection, [stream], place.log);
    this.#bus = new SubjectBus(connection, place.log);
  }

  static async open(log: Log): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const signal = AbortSignal.timeout(10_000);
    const dir = stack.use(await temporaryDirectory()).path;
    const [redis, nats] = await Promise.all([
      startRedis(path.join(dir, 'r'), { fsync: 'always' }),
      startNats(path.join(dir, 'n')),
    ]);
    stack.use(redis);
    stack.use(nats);
    const connection = new NatsConnection({ servers: [nats.url], client: 'stage' }, log);
    await connection.start(signal);
    stack.defer(() => connection.stop(AbortSignal.timeout(2_000)));
    const stage = new Stage({ redis, nats }, connection, { dir, log }, stack.move());
    await stage.#begin(signal);
    return stage;
  }

  /** One more l2pop on this stage. */
  async replica(settings: NonNullable<ReplicaOptions['settings']> = {}): Promise<Replica> {
    const name = `l2pop-${(this.#replicas += 1).toString()}`;
    const replica = await startReplica({
      dir: this.#dir,
      name,
      redis: this.redis.url,
      nats: this.nats.url,
      topology: `unix:${this.#dir}/topology.sock`,
      log: this.#log,
      settings,
    });
    return this.#stack.use(replica);
  }

  /** Publishes what topology did, as often as it takes, as its relay does. */
  async say(change: TopologyChange | undefined, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    if (change === undefined) throw new Error('topology did not do that');
    const event = { ...eventOf(change), headers, id: (this.#events += 1).toString() };
    for (;;) {
      try {
        await this.#publisher.publish('test', event, AbortSignal.timeout(2_000));
        return;
      } catch {
        await new Promise((resolve) => {
          setTimeout(resolve, 50);
        });
      }
    }
  }

  /** A host says that it holds a revision. */
  ack(host_id: HostId, networkId: Uuid, revision: number): void {
    const networks = [{ network_id: networkId, revision: revision.toString() }];
    this.#bus.publish(`weft.ack.${host_id}`, ForwardingAck.encode({ host_id, networks }).finish(), {});
  }

  /** Sends anything to anybody. */
  send(subject: string, data: Uint8Array): void {
    this.#bus.publish(subject, data, {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #begin(signal: AbortSignal): Promise<void> {
    await this.#publisher.start();
    this.#stack.defer(() => this.#publisher.stop());
    this.#stack.use(
      this.#bus.subscribe('weft.forwarding.>', {}, ({ data, headers }) => {
        this.heard.push({ delta: ForwardingDelta.decode(data), headers });
      }),
    );
    await this.#bus.flush();
    const server = topologyServer(this.topology, `unix:${this.#dir}/topology.sock`);
    await server.start(signal);
    this.#stack.defer(() => server.stop(AbortSignal.timeout(1_000)));
  }
}

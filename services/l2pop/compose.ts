import { BackgroundLoop } from '#platform/lifecycle/background-loop.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { DurableConsumer } from '#platform/nats/durable-consumer.ts';
import { SubjectBus } from '#platform/nats/subject-bus.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { client } from '#platform/rpc/client.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { withService } from '#platform/telemetry/spans.ts';
import { TopologyServiceService } from '#proto/weft/topology/v1/topology.ts';
import { BusAcks } from './adapters/bus-acks.ts';
import { BusDeltas } from './adapters/bus-deltas.ts';
import { RedisHostProgress } from './adapters/redis-host-progress.ts';
import { RedisNetworkIndex } from './adapters/redis-network-index.ts';
import { RedisTableAudit } from './adapters/redis-table-audit.ts';
import { RedisTableReader } from './adapters/redis-table-reader.ts';
import { RedisTableWriter } from './adapters/redis-table-writer.ts';
import { TopologyClient } from './adapters/topology-client.ts';
import { HOST_SUBJECTS, readTopologyEvent, TOPOLOGY_STREAM } from './adapters/topology-event.ts';
import { deltaCodec } from './api/forwarding-messages.ts';
import { l2populationService } from './api/l2population-service.ts';
import { AckBoard } from './app/ack-board.ts';
import { ConvergenceClock } from './app/convergence-clock.ts';
import { HostDirectory } from './app/host-directory.ts';
import { NetworkDirectory } from './app/network-directory.ts';
import { NetworkTypes } from './app/network-types.ts';
import { Placer } from './app/placer.ts';
import { TableQueries } from './app/queries.ts';
import { ReconcileLoop } from './app/reconcile-loop.ts';
import { Reconciliation } from './app/reconciliation.ts';
import { HostReports } from './app/report-host-state.ts';
import { TableQueues } from './app/table-queues.ts';
import { TopologyEvents } from './app/topology-events.ts';
import { ConvergenceWaits } from './app/wait-for-convergence.ts';
import { TableChanges } from './app/watch-changes.ts';
import type { L2popConfig } from './config.ts';

/** What the process lends to the service. */
export interface L2popShared {
  readonly log: Log;
  /** Ends the process: for what breaks while it runs. */
  readonly fail: (error: Error) => void;
}

/** l2pop but for its RPC server. */
export interface L2pop {
  /** In start order. */
  readonly components: readonly Component[];
  readonly services: readonly RpcService[];
}

/** Events handled at once: as many as JetStream hands over, so that those of one network come together. */
const CONCURRENCY = 512;

/** Puts l2pop together and starts nothing. Needs Redis at its start; NATS and topology may come later. */
export const composeL2pop = (
  config: Pick<
    L2popConfig,
    | 'redis'
    | 'nats'
    | 'instance'
    | 'topologyAddress'
    | 'reconcileInterval'
    | 'changesKept'
    | 'withdrawDeadHosts'
    | 'eventRetention'
    | 'eventReplicas'
  >,
  { log: parent, fail }: L2popShared,
): L2pop => {
  const log = parent.child({ service: 'l2pop' });
  const now = (): number => Date.now();
  const redis = new RedisConnection({ url: config.redis }, log);
  const nats = new NatsConnection({ servers: config.nats, client: `l2pop ${config.instance}` }, log);
  const bus = new SubjectBus(nats, log);
  const rpc = client(TopologyServiceService, config.topologyAddress);

  const topology = new TopologyClient(rpc);
  const reader = new RedisTableReader(redis);
  const index = new RedisNetworkIndex(redis);
  const audit = new RedisTableAudit(redis);
  const progress = new RedisHostProgress(redis);
  const deltas = new BusDeltas(bus, deltaCodec);

  const board = new AckBoard(progress, now, log);
  const acks = new BusAcks(bus, board);
  const clock = new ConvergenceClock(board, now);
  const tables = new TableQueues(new RedisTableWriter(redis, config.changesKept, now), deltas, clock);
  const directories = { hosts: new HostDirectory(), networks: new NetworkDirectory() };
  const placer = new Placer(directories, topology, { withdrawDead: config.withdrawDeadHosts }, log);
  const types = new NetworkTypes({ directory: directories.networks, topology }, audit, tables, log);
  const events = new TopologyEvents(placer, tables, topology, { index, types });
  const reconciliation = new Reconciliation({ topology, placer, tables, index, audit, types, log });
  const loop = new ReconcileLoop(reconciliation, config.reconcileInterval, log);

  const consumer = new DurableConsumer(
    nats,
    {
      stream: { ...TOPOLOGY_STREAM, maxAgeMs: config.eventRetention, replicas: config.eventReplicas },
      durable: 'l2pop',
      concurrency: CONCURRENCY,
      onFresh: () => {
        // Events may have gone with the old consumer.
        loop.soon();
        return Promise.resolve();
      },
    },
    async (message, signal) => {
      const event = readTopologyEvent(message);
      if (event !== undefined) await events.handle(event, signal);
    },
    log,
  );
  const listening = (): AsyncDisposable => {
    const stack = new AsyncDisposableStack();
    stack.use(acks.listen());
    // The durable consumer brings a host's event to one replica; what is known of hosts is each replica's own.
    stack.use(
      bus.subscribe(HOST_SUBJECTS, {}, ({ data }) => {
        const change = readTopologyEvent({ data, deliveries: 1 })?.change;
        if (change?.kind === 'host' && !change.gone) directories.hosts.learn(change.host);
      }),
    );
    stack.use(
      bus.onConnect(() => {
        loop.soon();
      }),
    );
    return stack;
  };
  return {
    components: [
      redis,
      // What its messages set off runs in the context of its start.
      named(nats, 'l2pop'),
      closing('l2pop tables', async (signal) => {
        await types.close();
        await tables.close(signal);
        await board.close();
        clock.close();
        rpc.close();
      }),
      listener('l2pop acknowledgements', listening),
      named(consumer, 'l2pop'),
      new BackgroundLoop('l2pop reconciliation', (signal) => withService('l2pop', () => loop.run(signal)), fail),
    ],
    services: [
      l2populationService({
        reader,
        queries: new TableQueries(reader, index),
        changes: new TableChanges(reader, deltas),
        waits: new ConvergenceWaits(reader, index, board, deltas),
        reports: new HostReports(progress, acks, now),
      }),
    ],
  };
};

/** Something that runs from its making on, and is closed in its turn. */
const closing = (name: string, close: (signal: AbortSignal) => Promise<void>): Component => ({
  name,
  start: () => Promise.resolve(),
  stop: close,
});

/** Something that is open from start to stop. */
const listener = (name: string, open: () => AsyncDisposable): Component => {
  let opened: AsyncDisposable | undefined;
  return {
    name,
    start: () => {
      opened = open();
      return Promise.resolve();
    },
    stop: async () => {
      await opened?.[Symbol.asyncDispose]();
    },
  };
};

/** The component with its spans in the name of `service`. */
const named = (component: Component, service: string): Component => ({
  name: component.name,
  start: (signal) => withService(service, () => component.start(signal)),
  stop: (signal) => component.stop(signal),
});

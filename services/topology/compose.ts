import { systemClock } from '#platform/async/clock.ts';
import { BackgroundLoop } from '#platform/lifecycle/background-loop.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { JetStreamPublisher } from '#platform/nats/jetstream-publisher.ts';
import { OutboxRelay } from '#platform/nats/outbox-relay.ts';
import { SubjectBus } from '#platform/nats/subject-bus.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import { client } from '#platform/rpc/client.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { withService } from '#platform/telemetry/spans.ts';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import { hearChanges } from './adapters/bus-changes.ts';
import { records } from './adapters/collections.ts';
import { IpamClient } from './adapters/ipam-client.ts';
import { JetStreamFeed } from './adapters/jetstream-feed.ts';
import { dutyService } from './api/duty-service.ts';
import { printOfDuty } from './api/duty-message.ts';
import { announce, EVENT_STREAM, EVENT_SUBJECTS, touchedBy } from './api/event-message.ts';
import { routerService } from './api/router-service.ts';
import { topologyService } from './api/topology-service.ts';
import { Changes } from './app/changes.ts';
import { Doorbell } from './app/doorbell.ts';
import type { Environment } from './app/environment.ts';
import { errandLoop, leaseLoop } from './app/loops.ts';
import { servingLoop } from './app/serving-loop.ts';
import { SubnetBook } from './app/subnet-book.ts';
import type { TopologyConfig } from './config.ts';

/** What the process lends to the service. */
export interface TopologyShared {
  readonly log: Log;
  /** Ends the process: for what breaks while it runs. */
  readonly fail: (error: Error) => void;
}

/** Topology but for its RPC server. */
export interface Topology {
  /** In start order. */
  readonly components: readonly Component[];
  readonly services: readonly RpcService[];
}

/** Puts topology together and starts nothing. Needs Redis at its start; NATS and IPAM may come later. */
export const composeTopology = (
  config: Pick<
    TopologyConfig,
    | 'redis'
    | 'nats'
    | 'ipamAddress'
    | 'defaultMtu'
    | 'eventRetention'
    | 'eventReplicas'
    | 'instance'
    | 'dhcpHostsPerNetwork'
    | 'dnsDomain'
  >,
  { log: parent, fail }: TopologyShared,
): Topology => {
  const log = parent.child({ service: 'topology' });
  const redis = new RedisConnection({ url: config.redis }, log);
  const nats = new NatsConnection({ servers: config.nats, client: `topology ${config.instance}` }, log);
  const store = new RedisStore(redis, 'topology');
  const stream = {
    name: EVENT_STREAM,
    subjects: [EVENT_SUBJECTS],
    maxAgeMs: config.eventRetention,
    replicas: config.eventReplicas,
  };
  const publisher = new JetStreamPublisher(nats, [stream], log);
  const ipam = client(IpamServiceService, config.ipamAddress);
  const [errands, leases] = [new Doorbell(), new Doorbell()];
  const environment: Environment = {
    store,
    records,
    ipam: new IpamClient(ipam),
    announce,
    clock: systemClock,
    defaultMtu: config.defaultMtu,
    errandBegun: () => {
      errands.ring();
    },
    log,
  };
  const { dhcpHostsPerNetwork, dnsDomain } = config;
  const changes = new Changes();
  const subnets = new SubnetBook(environment.ipam, changes);
  const sources = { bus: new SubjectBus(nats, log), commits: store, subjects: EVENT_SUBJECTS, read: touchedBy };
  const serving = { ...environment, subnets, changes, dhcpHostsPerNetwork };
  const desk = { ...environment, subnets, changes, dnsDomain, print: printOfDuty };
  const loop = (name: string, body: (signal: AbortSignal) => Promise<void>): Component =>
    new BackgroundLoop(`topology ${name}`, (signal) => withService('topology', () => body(signal)), fail);
  return {
    components: [
      redis,
      nats,
      publisher,
      new OutboxRelay(store, publisher, nats, log),
      closing('ipam client', () => {
        ipam.close();
      }),
      listening('changes', () => hearChanges(sources, changes)),
      loop('errands', (signal) => errandLoop(environment, errands, signal)),
      loop('leases', (signal) => leaseLoop(environment, leases, signal)),
      loop('serving', (signal) => servingLoop(serving, signal)),
    ],
    services: [
      topologyService(environment, new JetStreamFeed(nats, EVENT_STREAM)),
      routerService(environment),
      dutyService(desk),
    ],
  };
};

/** Something that runs from its making on, and is closed in its turn. */
const closing = (name: string, close: () => void): Component => ({
  name,
  start: () => Promise.resolve(),
  stop: () => {
    close();
    return Promise.resolve();
  },
});

/** Something that is open from start to stop. */
const listening = (name: string, open: () => AsyncDisposable): Component => {
  let opened: AsyncDisposable | undefined;
  return {
    name: `topology ${name}`,
    start: () => {
      opened = withService('topology', open);
      return Promise.resolve();
    },
    stop: async () => {
      await opened?.[Symbol.asyncDispose]();
    },
  };
};

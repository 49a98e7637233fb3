import { systemClock } from '#platform/async/clock.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { NatsConnection } from '#platform/nats/connection.ts';
import { SubjectBus } from '#platform/nats/subject-bus.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { records } from './adapters/collections.ts';
import { busSubnetNews } from './adapters/bus-subnet-news.ts';
import { RedisLeaseBook } from './adapters/redis-lease-book.ts';
import { ipamService } from './api/ipam-service.ts';
import { Addresses } from './app/addresses.ts';
import { LeaseLister } from './app/lease-lister.ts';
import { MacAddresses } from './app/mac-addresses.ts';
import { Networks } from './app/networks.ts';
import { SegmentRangeCatalogue } from './app/segment-ranges.ts';
import { Segments } from './app/segments.ts';
import { Subnets } from './app/subnets.ts';
import type { IpamConfig } from './config.ts';

/** The hash tag of all that ipam keeps in Redis: its scripts read and write records and leases in one step. */
const PARTITION = 'ipam';

/** Nobody waits for what is told over NATS. */
const NATS_START_MS = 200;

/** What a process has, whichever services run in it. */
export interface Shared {
  readonly log: Log;
}

/** A service without its server: start the components, serve the services. */
export interface Composed {
  readonly components: readonly Component[];
  readonly services: readonly RpcService[];
}

/** ipam, put together; any number of them at once on one Redis are one. */
export const composeIpam = (
  config: Pick<IpamConfig, 'redis' | 'nats' | 'instance'>,
  { log: parent }: Shared,
): Composed => {
  const log = parent.child({ service: 'ipam' });
  const redis = new RedisConnection({ url: config.redis }, log);
  const nats = new NatsConnection(
    { servers: config.nats, client: `ipam ${config.instance}`, startMs: NATS_START_MS },
    log,
  );
  const store = new RedisStore(redis, PARTITION);
  const addresses = new RedisLeaseBook(redis, PARTITION, 'address');
  const segments = new RedisLeaseBook(redis, PARTITION, 'segment');
  const macs = new RedisLeaseBook(redis, PARTITION, 'mac');
  const service = ipamService({
    subnets: new Subnets(store, records, addresses, systemClock, busSubnetNews(new SubjectBus(nats, log))),
    addresses: new Addresses(new Networks(store, records), addresses, macs, systemClock),
    leases: new LeaseLister(store, records, addresses),
    macs: new MacAddresses(macs, systemClock, Math.random),
    ranges: new SegmentRangeCatalogue(store, records, segments, systemClock),
    segments: new Segments(store, records, segments, systemClock),
  });
  // Without servers nobody is told: whoever needs to know looks now and then.
  return { components: config.nats.length === 0 ? [redis] : [redis, nats], services: [service] };
};

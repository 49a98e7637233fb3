import { systemClock } from '#platform/async/clock.ts';
import type { Component } from '#platform/lifecycle/component.ts';
import type { Log } from '#platform/log/log.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import { RedisStore } from '#platform/redis/redis-store.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { records } from './adapters/collections.ts';
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
export const composeIpam = (config: Pick<IpamConfig, 'redis'>, { log }: Shared): Composed => {
  const redis = new RedisConnection({ url: config.redis }, log.child({ service: 'ipam' }));
  const store = new RedisStore(redis, PARTITION);
  const addresses = new RedisLeaseBook(redis, PARTITION, 'address');
  const segments = new RedisLeaseBook(redis, PARTITION, 'segment');
  const macs = new RedisLeaseBook(redis, PARTITION, 'mac');
  const service = ipamService({
    subnets: new Subnets(store, records, addresses, systemClock),
    addresses: new Addresses(new Networks(store, records), addresses, systemClock),
    leases: new LeaseLister(store, records, addresses),
    macs: new MacAddresses(macs, systemClock, Math.random),
    ranges: new SegmentRangeCatalogue(store, records, segments, systemClock),
    segments: new Segments(store, records, segments, systemClock),
  });
  return { components: [redis], services: [service] };
};

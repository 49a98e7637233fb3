import { service } from '#platform/rpc/handlers.ts';
import type { RpcService } from '#platform/rpc/handlers.ts';
import { IpamServiceService } from '#proto/weft/ipam/v1/ipam.ts';
import type { Addresses } from '../app/addresses.ts';
import type { LeaseLister } from '../app/lease-lister.ts';
import type { MacAddresses } from '../app/mac-addresses.ts';
import type { SegmentRangeCatalogue } from '../app/segment-ranges.ts';
import type { Segments } from '../app/segments.ts';
import type { Subnets } from '../app/subnets.ts';
import { leaseHandlers } from './lease-handlers.ts';
import { segmentHandlers } from './segment-handlers.ts';
import { subnetHandlers } from './subnet-handlers.ts';

/** What the service is made of. */
export interface IpamUseCases {
  readonly subnets: Subnets;
  readonly addresses: Addresses;
  readonly leases: LeaseLister;
  readonly macs: MacAddresses;
  readonly ranges: SegmentRangeCatalogue;
  readonly segments: Segments;
}

/** weft.ipam.v1.IpamService over the use cases. */
export const ipamService = ({ subnets, addresses, leases, macs, ranges, segments }: IpamUseCases): RpcService =>
  service(IpamServiceService, {
    ...subnetHandlers(subnets),
    ...leaseHandlers(addresses, leases, macs),
    ...segmentHandlers(ranges, segments),
  });

import { z } from 'zod';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseName, parsePhysicalNetwork, parseUuid } from '#platform/net/names.ts';
import type { Collection } from '#platform/store/store.ts';
import { networkIndex } from '../app/records.ts';
import type { IpamRecords } from '../app/records.ts';
import type { NetworkSubnets } from '../domain/network-subnets.ts';
import type { SegmentRange, SegmentRanges } from '../domain/segment.ts';
import type { Subnet } from '../domain/subnet.ts';

/** The collection of guards; the lease scripts write it too. */
export const GUARDS = 'guard';

// What a record holds was checked before it was written: the parsers give the types back, and refuse what some other
// program may have written.
const uuid = z.string().transform((text) => parseUuid('id', text));
const name = z.string().transform((text) => parseName('name', text));
const ip = z.string().transform((text) => parseIp('ip', text));
const cidr = z.string().transform((text) => parseCidr('cidr', text));
const kind = z.union([
  z.strictObject({ type: z.literal('vxlan') }),
  z.strictObject({
    type: z.literal('vlan'),
    physicalNetwork: z.string().transform((text) => parsePhysicalNetwork('physical_network', text)),
  }),
]);

const subnetSchema = z
  .strictObject({
    id: uuid,
    networkId: uuid,
    name,
    cidr,
    gatewayIp: ip.nullable(),
    allocationPools: z.array(z.strictObject({ start: ip, end: ip })),
    dnsNameservers: z.array(ip),
    hostRoutes: z.array(z.strictObject({ destination: cidr, nexthop: ip })),
    enableDhcp: z.boolean(),
    // Records that an earlier version wrote have none.
    ipv6AddressMode: z.enum(['dhcpv6-stateful', 'dhcpv6-stateless', 'slaac']).optional(),
    createTime: z.string(),
    updateTime: z.string(),
  })
  .transform(({ gatewayIp, ipv6AddressMode, ...rest }): Subnet => ({
    ...rest,
    gatewayIp: gatewayIp ?? undefined,
    ...(ipv6AddressMode === undefined ? {} : { ipv6AddressMode }),
  }));

/** Reads a subnet as `encodeSubnet` wrote it. */
const decodeSubnet = (text: string): Subnet => subnetSchema.parse(JSON.parse(text));

/** A subnet as JSON. */
const encodeSubnet = (subnet: Subnet): string =>
  JSON.stringify({
    ...subnet,
    cidr: subnet.cidr.text,
    gatewayIp: subnet.gatewayIp ?? null,
    hostRoutes: subnet.hostRoutes.map(({ destination, nexthop }) => ({ destination: destination.text, nexthop })),
  });

const subnets: Collection<Subnet> = {
  name: 'subnet',
  decode: decodeSubnet,
  encode: encodeSubnet,
  indexes: ({ networkId }) => [networkIndex(networkId)],
};

const networkSchema = z.strictObject({ subnets: z.array(z.strictObject({ id: uuid, cidr })) });

const networks: Collection<NetworkSubnets> = {
  name: 'network',
  decode: (text) => networkSchema.parse(JSON.parse(text)),
  encode: (network) =>
    JSON.stringify({ subnets: network.subnets.map((entry) => ({ id: entry.id, cidr: entry.cidr.text })) }),
};

const rangeSchema = z.strictObject({
  id: uuid,
  name,
  kind,
  minimum: z.int(),
  maximum: z.int(),
  createTime: z.string(),
});

const segmentRanges: Collection<SegmentRange> = {
  name: 'segment-range',
  decode: (text) => rangeSchema.parse(JSON.parse(text)),
  encode: (range) => JSON.stringify(range),
};

const spaceSchema = z.strictObject({
  ranges: z.array(z.strictObject({ id: uuid, minimum: z.int(), maximum: z.int() })),
});

const segmentSpaces: Collection<SegmentRanges> = {
  name: 'segment-space',
  decode: (text) => spaceSchema.parse(JSON.parse(text)),
  encode: (space) => JSON.stringify(space),
};

const guards: Collection<string> = { name: GUARDS, decode: (text) => text, encode: (text) => text };

/** The collections of this service, as JSON. */
export const records: IpamRecords = { subnets, networks, segmentRanges, segmentSpaces, guards };

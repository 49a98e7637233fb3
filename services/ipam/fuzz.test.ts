import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { nullLog } from '#platform/log/log.ts';
import { RedisConnection } from '#platform/redis/connection.ts';
import {
  AllocateAddressesRequest,
  AllocateMacAddressRequest,
  AllocateSegmentRequest,
  CreateSegmentRangeRequest,
  CreateSubnetRequest,
  DeleteSegmentRangeRequest,
  DeleteSubnetRequest,
  GetSubnetRequest,
  ListLeasesRequest,
  ListSegmentRangesRequest,
  ListSubnetsRequest,
  ReleaseAddressesRequest,
  ReleaseMacAddressRequest,
  ReleaseSegmentRequest,
  UpdateSubnetRequest,
} from '#proto/weft/ipam/v1/ipam.ts';
import { creating, runIpam } from './testing/running-ipam.ts';
import type { IpamClient, RunningIpam } from './testing/running-ipam.ts';

const never = new AbortController().signal;
let running: RunningIpam;
let ipam: IpamClient;
let redis: RedisConnection;
let network_id: string;
let subnet_id: string;

beforeAll(async () => {
  running = await runIpam(1);
  ({ ipam } = running.replicas[0]);
  redis = new RedisConnection({ url: running.redis.url }, nullLog);
  await redis.start(never);
  network_id = randomUUID();
  ({ id: subnet_id } = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' })));
});

afterAll(async () => {
  await redis.stop();
  await running[Symbol.asyncDispose]();
});

/** How many writes Redis has seen. */
const writes = async (): Promise<string> => {
  const info = await redis.run((client) => client.info('persistence'), never);
  return /rdb_changes_since_last_save:(\d+)/.exec(info)?.[1] ?? '';
};

const nasty = fc.oneof(
  fc.constantFrom(
    '',
    '*',
    '/',
    '..',
    "'; rm -rf / #",
    '$(reboot)',
    '\u0000',
    '\n',
    '{ipam}',
    '-1',
    '0',
    '10.0.0.0/24',
    '10.0.0.0/33',
    '10.0.0.7',
    '10.0.0.07',
    '::',
    '::ffff:10.0.0.1',
    'fe80::1%eth0',
    '2001:db8::/64',
    'ff:ff:ff:ff:ff:ff',
    'fa:16:3e:00:00:01',
    '\ud83d\ude00',
    '"etag"',
    'A'.repeat(5_000),
  ),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.toWellFormed()),
  fc.uuid(),
);
const text = fc.oneof(
  nasty,
  fc.constant(undefined).map(() => network_id),
  fc.constant(undefined).map(() => subnet_id),
);
const number = fc.oneof(fc.constantFrom(0, 1, 4_095, 16_777_215, 16_777_216, 4_294_967_295), fc.nat());
const type = fc.constantFrom(
  'NETWORK_TYPE_UNSPECIFIED',
  'NETWORK_TYPE_VXLAN',
  'NETWORK_TYPE_FLAT',
  'NETWORK_TYPE_VLAN',
);
const list = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 4 });
const fixed_ips = list(fc.record({ subnet_id: text, ip_address: text }));
const page = { page_size: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), page_token: text };
const mutation = { request_id: fc.oneof(fc.constant(''), fc.uuid(), nasty), validate_only: fc.boolean() };
const subnet = fc.option(
  fc.record({
    id: text,
    network_id: text,
    name: text,
    cidr: text,
    gateway_ip: fc.option(text, { nil: undefined }),
    allocation_pools: list(fc.record({ start: text, end: text })),
    dns_nameservers: list(text),
    host_routes: list(fc.record({ destination: text, nexthop: text })),
    etag: text,
  }),
  { nil: undefined },
);
const segment_range = fc.option(
  fc.record({ id: text, name: text, network_type: type, physical_network: text, minimum: number, maximum: number }),
  { nil: undefined },
);

/** Any call, with anything in its fields. */
const call: fc.Arbitrary<() => Promise<unknown>> = fc.oneof(
  fc.record({ subnet, ...mutation }).map((m) => () => ipam.createSubnet(CreateSubnetRequest.fromPartial(m))),
  fc.record({ id: text }).map((m) => () => ipam.getSubnet(GetSubnetRequest.fromPartial(m))),
  fc.record({ network_id: text, ...page }).map((m) => () => ipam.listSubnets(ListSubnetsRequest.fromPartial(m))),
  fc
    .record({ subnet, update_mask: list(fc.oneof(text, fc.constantFrom('name', 'gateway_ip', '*'))), ...mutation })
    .map((m) => () => ipam.updateSubnet(UpdateSubnetRequest.fromPartial(m))),
  fc
    .record({ id: nasty, etag: text, ...mutation })
    .map((m) => () => ipam.deleteSubnet(DeleteSubnetRequest.fromPartial(m))),
  fc
    .record({ network_id: text, owner_id: text, fixed_ips, ...mutation })
    .map((m) => () => ipam.allocateAddresses(AllocateAddressesRequest.fromPartial(m))),
  fc
    .record({ owner_id: text, fixed_ips, ...mutation })
    .map((m) => () => ipam.releaseAddresses(ReleaseAddressesRequest.fromPartial(m))),
  fc
    .record({ subnet_id: text, owner_id: text, ...page })
    .map((m) => () => ipam.listLeases(ListLeasesRequest.fromPartial(m))),
  fc
    .record({ network_id: text, owner_id: text, mac_address: text, ...mutation })
    .map((m) => () => ipam.allocateMacAddress(AllocateMacAddressRequest.fromPartial(m))),
  fc
    .record({ network_id: text, owner_id: text, ...mutation })
    .map((m) => () => ipam.releaseMacAddress(ReleaseMacAddressRequest.fromPartial(m))),
  fc
    .record({ segment_range, ...mutation })
    .map((m) => () => ipam.createSegmentRange(CreateSegmentRangeRequest.fromPartial(m))),
  fc.record(page).map((m) => () => ipam.listSegmentRanges(ListSegmentRangesRequest.fromPartial(m))),
  fc
    .record({ id: text, etag: text, ...mutation })
    .map((m) => () => ipam.deleteSegmentRange(DeleteSegmentRangeRequest.fromPartial(m))),
  fc
    .record({ network_type: type, physical_network: text, owner_id: text, segmentation_id: number, ...mutation })
    .map((m) => () => ipam.allocateSegment(AllocateSegmentRequest.fromPartial(m))),
  fc
    .record({ owner_id: text, ...mutation })
    .map((m) => () => ipam.releaseSegment(ReleaseSegmentRequest.fromPartial(m))),
);

test('whatever is sent is done, or refused with the field and without a trace', async () => {
  let refusals = 0;
  await fc.assert(
    fc.asyncProperty(call, async (send) => {
      const before = await writes();
      try {
        await send();
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
        expect(error.code).not.toBe('internal');
        expect(await writes()).toBe(before);
        if (error.code === 'invalid') {
          refusals += 1;
          expect(error.violations.length).toBeGreaterThan(0);
          for (const { field } of error.violations) expect(field).toMatch(/^[a-z_]+(\[\d+\])?(\.[a-z_]+(\[\d+\])?)*$/);
        }
      }
    }),
    { numRuns: 700 },
  );
  expect(refusals).toBeGreaterThan(100);
  expect(running.replicas[0].log.messages('error')).toEqual([]);
  expect(await ipam.getSubnet({ id: subnet_id })).toMatchObject({ cidr: '10.0.0.0/24' });
});

test('a subnet that is gone has left nothing behind but what outlives it for a day', async () => {
  const subnet = await ipam.createSubnet(creating({ cidr: '10.0.0.0/24' }));
  const owner_id = `port-${randomUUID()}`;
  const request = AllocateAddressesRequest.fromPartial({ network_id: subnet.network_id, owner_id });
  await ipam.allocateAddresses(request);
  await ipam.releaseAddresses(ReleaseAddressesRequest.fromPartial({ owner_id }));
  await ipam.deleteSubnet(DeleteSubnetRequest.fromPartial({ id: subnet.id }));
  const left = await redis.run(async (client) => {
    const keys = await Promise.all([subnet.id, subnet.network_id, owner_id].map((part) => client.keys(`*${part}*`)));
    return await Promise.all(keys.flat().map(async (key) => ({ key, seconds: await client.ttl(key) })));
  }, never);
  expect(left.filter(({ seconds }) => seconds < 0)).toEqual([]);
});

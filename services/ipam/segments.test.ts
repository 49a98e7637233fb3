import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AllocateSegmentRequest, CreateSegmentRangeRequest } from '#proto/weft/ipam/v1/ipam.ts';
import type { DeepPartial, SegmentRange } from '#proto/weft/ipam/v1/ipam.ts';
import { allocatingVni, runIpam } from './testing/running-ipam.ts';
import type { IpamClient, RunningIpam } from './testing/running-ipam.ts';

let running: RunningIpam;
let ipam: IpamClient;
let other: IpamClient;
/** What a test has made; VXLAN has one set of ranges for all. */
let ranges: string[];
let owners: string[];

beforeAll(async () => {
  running = await runIpam(2);
  ipam = running.replicas[0].ipam;
  other = running.replicas[1]?.ipam ?? ipam;
});

afterAll(() => running[Symbol.asyncDispose]());

beforeEach(() => {
  ranges = [];
  owners = [];
});

afterEach(async () => {
  for (const owner_id of owners) await ipam.releaseSegment({ owner_id, request_id: '', validate_only: false });
  for (const id of ranges) await ipam.deleteSegmentRange({ id, etag: '', request_id: '', validate_only: false });
});

const invalid = (field: string) => ({ code: 'invalid', violations: [{ field }] });

const creating = (segment_range: DeepPartial<SegmentRange>, more: DeepPartial<CreateSegmentRangeRequest> = {}) =>
  CreateSegmentRangeRequest.fromPartial({
    segment_range: { network_type: 'NETWORK_TYPE_VXLAN', ...segment_range },
    ...more,
  });

const range = async (minimum: number, maximum: number, more: DeepPartial<SegmentRange> = {}): Promise<SegmentRange> => {
  const made = await ipam.createSegmentRange(creating({ minimum, maximum, ...more }));
  ranges.push(made.id);
  return made;
};

const take = async (request: AllocateSegmentRequest, on = ipam): Promise<number> => {
  const { segmentation_id } = await on.allocateSegment(request);
  owners.push(request.owner_id);
  return segmentation_id;
};

const release = (owner_id: string) => other.releaseSegment({ owner_id, request_id: '', validate_only: false });

const allocatingVlan = (owner_id: string, physical_network: string, segmentation_id = 0): AllocateSegmentRequest =>
  AllocateSegmentRequest.fromPartial({
    network_type: 'NETWORK_TYPE_VLAN',
    physical_network,
    owner_id,
    segmentation_id,
  });

describe('segmentation ids', () => {
  test('are those of all VXLAN while there is no range, in order', async () => {
    expect(await take(allocatingVni('a'))).toBe(1);
    expect(await take(allocatingVni('b'), other)).toBe(2);
    expect(await take(allocatingVni('a'), other)).toBe(1);
    expect(await take(allocatingVni('c', 16_777_215))).toBe(16_777_215);
  });

  test('come from the ranges, in their order, released ones last', async () => {
    await range(200, 201);
    await range(100, 101);
    expect(await take(allocatingVni('a'))).toBe(200);
    await release('a');
    expect(await take(allocatingVni('b'))).toBe(201);
    expect(await take(allocatingVni('c'), other)).toBe(100);
    expect(await take(allocatingVni('d'))).toBe(101);
    expect(await take(allocatingVni('e'))).toBe(200);
    await expect(take(allocatingVni('f'))).rejects.toMatchObject({ code: 'exhausted', reason: 'NO_FREE_SEGMENT' });
  });

  test('may be chosen, in a range or not, once', async () => {
    await range(100, 101);
    expect(await take(allocatingVni('a', 100))).toBe(100);
    expect(await take(allocatingVni('b', 5))).toBe(5);
    expect(await take(allocatingVni('c'))).toBe(101);
    await expect(take(allocatingVni('d', 5), other)).rejects.toMatchObject({
      code: 'exists',
      reason: 'SEGMENT_IN_USE',
    });
    await expect(take(allocatingVni('a', 7))).rejects.toMatchObject({
      code: 'precondition',
      reason: 'OTHER_SEGMENT_HELD',
    });
    await expect(take(allocatingVlan('a', 'physnet1', 7))).rejects.toMatchObject({ reason: 'OTHER_SEGMENT_HELD' });
  });

  test('of VLAN are apart by physical network, and need a range or a choice', async () => {
    await expect(take(allocatingVlan('a', 'physnet1'))).rejects.toMatchObject({ reason: 'NO_FREE_SEGMENT' });
    expect(await take(allocatingVlan('a', 'physnet1', 100))).toBe(100);
    expect(await take(allocatingVlan('b', 'physnet2', 100))).toBe(100);
    await range(100, 101, { network_type: 'NETWORK_TYPE_VLAN', physical_network: 'physnet1' });
    expect(await take(allocatingVlan('c', 'physnet1'), other)).toBe(101);
    expect(await take(allocatingVni('d', 100))).toBe(100);
  });

  test('are distinct when many ask at once', async () => {
    await range(1_000, 1_099);
    const given = await Promise.all(
      Array.from({ length: 100 }, (_, at) => take(allocatingVni(`n${at.toString()}`), at % 2 === 0 ? ipam : other)),
    );
    expect(given.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => 1_000 + at));
  });

  test('are the same for the same request id, and not given by validate_only', async () => {
    await range(300, 310);
    const request = { ...allocatingVni('a'), request_id: randomUUID() };
    expect(await take({ ...request, validate_only: true })).toBe(300);
    expect(await take(request)).toBe(300);
    await release('a');
    expect(await take(allocatingVni('b', 300))).toBe(300);
    expect(await take(request, other)).toBe(300);
    await expect(take({ ...request, owner_id: 'c' })).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
    await other.releaseSegment({ owner_id: 'b', request_id: '', validate_only: true });
    await expect(take(allocatingVni('d', 300))).rejects.toMatchObject({ reason: 'SEGMENT_IN_USE' });
  });

  test.each<readonly [DeepPartial<AllocateSegmentRequest>, string]>([
    [{ network_type: 'NETWORK_TYPE_UNSPECIFIED' }, 'network_type'],
    [{ network_type: 'NETWORK_TYPE_FLAT' }, 'network_type'],
    [{ physical_network: 'physnet1' }, 'physical_network'],
    [{ segmentation_id: 16_777_216 }, 'segmentation_id'],
    [{ network_type: 'NETWORK_TYPE_VLAN' }, 'physical_network'],
    [{ network_type: 'NETWORK_TYPE_VLAN', physical_network: 'a/b' }, 'physical_network'],
    [{ network_type: 'NETWORK_TYPE_VLAN', physical_network: 'p', segmentation_id: 4_095 }, 'segmentation_id'],
    [{ owner_id: '' }, 'owner_id'],
  ])('asked for with %j are refused: %s', async (wrong, field) => {
    const request = AllocateSegmentRequest.fromPartial({ ...allocatingVni('x'), ...wrong });
    await expect(ipam.allocateSegment(request)).rejects.toMatchObject(invalid(field));
  });
});

describe('ranges', () => {
  test('are kept as given, listed in id order, page by page', async () => {
    const made = await range(10, 19, { id: randomUUID(), name: 'tenants' });
    expect(made).toMatchObject({
      name: 'tenants',
      network_type: 'NETWORK_TYPE_VXLAN',
      physical_network: '',
      minimum: 10,
      maximum: 19,
    });
    expect(await other.getSegmentRange({ id: made.id })).toEqual(made);
    const vlan = await range(10, 19, { network_type: 'NETWORK_TYPE_VLAN', physical_network: 'physnet1' });
    await range(20, 29);
    const first = await other.listSegmentRanges({ page_size: 2, page_token: '' });
    const second = await other.listSegmentRanges({ page_size: 2, page_token: first.next_page_token });
    const ids = [...first.segment_ranges, ...second.segment_ranges].map(({ id }) => id);
    expect(ids).toEqual(ranges.toSorted());
    expect(second.next_page_token).toBe('');
    expect(await ipam.getSegmentRange({ id: vlan.id })).toMatchObject({ physical_network: 'physnet1' });
    await expect(ipam.createSegmentRange(creating({ id: made.id, minimum: 50, maximum: 51 }))).rejects.toMatchObject({
      code: 'exists',
      reason: 'SEGMENT_RANGE_EXISTS',
    });
  });

  test('of one type do not overlap, not even when made at once', async () => {
    await range(10, 19);
    await expect(other.createSegmentRange(creating({ minimum: 19, maximum: 30 }))).rejects.toMatchObject(
      invalid('segment_range.minimum'),
    );
    const made = await Promise.allSettled(
      Array.from({ length: 6 }, (_, at) =>
        (at % 2 === 0 ? ipam : other).createSegmentRange(creating({ minimum: 40 + at, maximum: 60 })),
      ),
    );
    const [winner, ...more] = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value.id] : []));
    if (winner !== undefined) ranges.push(winner);
    expect(winner).toBeDefined();
    expect(more).toEqual([]);
  });

  test('go only when none of their ids is held', async () => {
    const { id, etag } = await range(10, 11);
    await range(20, 21);
    const deleting = { id, etag: '', request_id: randomUUID(), validate_only: false };
    await take(allocatingVni('a'));
    await take(allocatingVni('b', 21));
    await expect(other.deleteSegmentRange(deleting)).rejects.toMatchObject({
      code: 'precondition',
      reason: 'SEGMENT_RANGE_IN_USE',
    });
    await release('a');
    await expect(other.deleteSegmentRange({ ...deleting, etag: '"x"' })).rejects.toMatchObject({
      code: 'conflict',
      reason: 'ETAG_MISMATCH',
    });
    await other.deleteSegmentRange({ ...deleting, etag, validate_only: true });
    await other.deleteSegmentRange(deleting);
    await ipam.deleteSegmentRange(deleting);
    ranges = ranges.filter((made) => made !== id);
    await expect(ipam.getSegmentRange({ id })).rejects.toMatchObject({ code: 'not_found' });
    expect(await take(allocatingVni('c'), other)).toBe(20);
  });

  test('and ids at the same time: none of a range that is gone', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id } = await range(500, 501);
      const name = `n${round.toString()}`;
      const [deleted, leased] = await Promise.allSettled([
        ipam.deleteSegmentRange({ id, etag: '', request_id: '', validate_only: false }),
        take(allocatingVni(name), other),
      ]);
      const given = leased.status === 'fulfilled' ? leased.value : 0;
      // Without any range all VNIs are one.
      if (deleted.status === 'fulfilled') expect([500, 501]).not.toContain(given);
      else expect([500, 501]).toContain(given);
      await release(name);
      if (deleted.status === 'rejected') {
        await ipam.deleteSegmentRange({ id, etag: '', request_id: '', validate_only: false });
      }
      ranges = ranges.filter((made) => made !== id);
    }
  });

  test.each<readonly [DeepPartial<SegmentRange>, string]>([
    [{ minimum: 0 }, 'segment_range.minimum'],
    [{ minimum: 9 }, 'segment_range.maximum'],
    [{ maximum: 16_777_216 }, 'segment_range.maximum'],
    [{ network_type: 'NETWORK_TYPE_FLAT' }, 'segment_range.network_type'],
    [{ network_type: 'NETWORK_TYPE_VLAN' }, 'segment_range.physical_network'],
    [{ physical_network: 'p' }, 'segment_range.physical_network'],
    [{ name: 'a\nb' }, 'segment_range.name'],
    [{ id: '1' }, 'segment_range.id'],
  ])('with %j are refused: %s', async (wrong, field) => {
    await expect(ipam.createSegmentRange(creating({ minimum: 1, maximum: 5, ...wrong }))).rejects.toMatchObject(
      invalid(field),
    );
    await expect(ipam.createSegmentRange(CreateSegmentRangeRequest.fromPartial({}))).rejects.toMatchObject(
      invalid('segment_range'),
    );
  });

  test('are repeatable by request id, and only tried by validate_only', async () => {
    const request = creating({ minimum: 70, maximum: 79 }, { request_id: randomUUID() });
    await ipam.createSegmentRange({ ...request, validate_only: true });
    const made = await ipam.createSegmentRange(request);
    ranges.push(made.id);
    expect(await other.createSegmentRange(request)).toEqual(made);
  });
});

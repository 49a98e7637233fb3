import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { DomainError } from '#platform/errors/domain-error.ts';
import { leakCheck } from '#platform/testing/leak-check.ts';
import { ListLeasesRequest } from '#proto/weft/ipam/v1/ipam.ts';
import type { AddressLease } from '#proto/weft/ipam/v1/ipam.ts';
import { allocating, allocatingMac, allocatingVni, creating, releasing, runIpam } from './testing/running-ipam.ts';
import type { IpamClient, RunningIpam } from './testing/running-ipam.ts';

const never = new AbortController().signal;

const leasesOf = async (ipam: IpamClient, subnet_id: string): Promise<readonly AddressLease[]> => {
  const all: AddressLease[] = [];
  let page_token = '';
  do {
    const page = await ipam.listLeases(ListLeasesRequest.fromPartial({ subnet_id, page_size: 1_000, page_token }));
    all.push(...page.leases);
    page_token = page.next_page_token;
  } while (page_token !== '');
  return all;
};

const replicaOf = ({ replicas }: RunningIpam, at: number): IpamClient =>
  (replicas[at % replicas.length] ?? replicas[0]).ipam;

test('500 allocations at once over two replicas: each owner another address, the pool in order', async () => {
  await using _ = leakCheck();
  await using running = await runIpam(2);
  const network_id = randomUUID();
  const { ipam } = running.replicas[0];
  const { id } = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/22' }));
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_ignored, at) =>
      replicaOf(running, at).allocateAddresses(allocating(network_id, `port-${at.toString()}`)),
    ),
  );
  const given = answers.flatMap(({ leases }) => leases);
  expect(given).toHaveLength(500);
  expect(new Set(given.map(({ ip_address }) => ip_address)).size).toBe(500);
  const listed = await leasesOf(ipam, id);
  expect(listed).toHaveLength(500);
  expect(listed.at(0)?.ip_address).toBe('10.0.0.2');
  expect(listed.at(-1)?.ip_address).toBe('10.0.1.245');
  expect(new Map(listed.map(({ owner_id, ip_address }) => [owner_id, ip_address]))).toEqual(
    new Map(given.map(({ owner_id, ip_address }) => [owner_id, ip_address])),
  );
});

/** Says again what may not have been done, with the same request id, until it is answered. */
const untilAnswered = async <R>(call: () => Promise<R>): Promise<R> => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const passing = error instanceof DomainError && (error.code === 'unavailable' || error.code === 'deadline');
      if (!passing) throw error;
      await sleep(20, never);
    }
  }
};

test('redis-server is killed again and again: no acknowledged lease is lost, no address has two owners', async () => {
  await using _ = leakCheck();
  await using running = await runIpam(2, 'always');
  const network_id = randomUUID();
  const { id } = await running.replicas[0].ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/26' }));
  /** What owners know that they have, and who has an address. */
  const held = new Map<string, string>();
  const owners = new Map<string, string>();
  let stopped = false;
  let calls = 0;
  let retries = 0;

  const worker = async (at: number): Promise<void> => {
    const owner = `port-${at.toString()}`;
    const ipam = replicaOf(running, at);
    const patiently = async <R>(call: () => Promise<R>): Promise<R> => {
      let tries = 0;
      const answer = await untilAnswered(() => {
        tries += 1;
        return call();
      });
      calls += 1;
      retries += tries - 1;
      return answer;
    };
    while (!stopped) {
      const request_id = randomUUID();
      const address = held.get(owner);
      if (address === undefined) {
        const { leases } = await patiently(() => ipam.allocateAddresses(allocating(network_id, owner, { request_id })));
        const [ip = ''] = leases.map(({ ip_address }) => ip_address);
        expect(owners.get(ip) ?? owner).toBe(owner);
        owners.set(ip, owner);
        held.set(owner, ip);
      } else {
        // From here on somebody else may get it.
        owners.delete(address);
        held.delete(owner);
        const { leases } = await patiently(() => ipam.releaseAddresses(releasing(owner, { request_id })));
        expect(leases.map(({ ip_address }) => ip_address)).toEqual([address]);
      }
    }
  };
  const workers = Promise.all(Array.from({ length: 24 }, (_ignored, at) => worker(at)));
  const crashes = async (): Promise<void> => {
    try {
      for (let crash = 0; crash < 4; crash += 1) {
        await sleep(120, never);
        await running.redis.kill9();
        await running.redis.restart();
      }
      await sleep(300, never);
    } finally {
      stopped = true;
    }
  };
  await Promise.all([workers, crashes()]);

  const { ipam } = running.replicas[0];
  const listed = new Map((await leasesOf(ipam, id)).map(({ owner_id, ip_address }) => [owner_id, ip_address]));
  expect(listed).toEqual(held);
  expect(new Set(listed.values()).size).toBe(listed.size);
  // The test is worth nothing when no call met a crash.
  expect(retries).toBeGreaterThan(0);
  expect(calls).toBeGreaterThan(100);
});

test('MAC addresses and segments outlive redis-server too', async () => {
  await using _ = leakCheck();
  await using running = await runIpam(1, 'always');
  const { ipam } = running.replicas[0];
  const network_id = randomUUID();
  const mac = await ipam.allocateMacAddress(allocatingMac(network_id, 'a'));
  const segment = await ipam.allocateSegment(allocatingVni(network_id));
  await running.redis.kill9();
  await expect(ipam.allocateSegment(allocatingVni('other'))).rejects.toMatchObject({ code: 'unavailable' });
  await running.redis.restart();
  expect(await untilAnswered(() => ipam.allocateMacAddress(allocatingMac(network_id, 'a')))).toEqual(mac);
  expect(await ipam.allocateSegment(allocatingVni(network_id))).toEqual(segment);
  await expect(ipam.allocateSegment(allocatingVni('b', segment.segmentation_id))).rejects.toMatchObject({
    reason: 'SEGMENT_IN_USE',
  });
});

import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { systemClock } from '#platform/async/clock.ts';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseName, parseUuid } from '#platform/net/names.ts';
import { MemoryStore } from '#platform/store/memory-store.ts';
import { records } from './adapters/collections.ts';
import { Subnets } from './app/subnets.ts';
import { MemoryLeaseBook } from './testing/memory-lease-book.ts';
import { allocating, creating, runIpam } from './testing/running-ipam.ts';

test('a subnet goes with the addresses that its DHCP is served from, and with no others', async () => {
  await using running = await runIpam(2);
  const [one, two] = running.replicas;
  const ipam = one.ipam;
  const other = two?.ipam ?? ipam;
  const network_id = randomUUID();
  const { id } = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }));
  const stays = await ipam.createSubnet(creating({ network_id, cidr: '10.0.1.0/24' }));
  const both = { fixed_ips: [id, stays.id].map((subnet_id) => ({ subnet_id })) };
  await ipam.allocateAddresses(allocating(network_id, 'dhcp:x', both));
  await other.allocateAddresses(allocating(network_id, 'guest', { fixed_ips: [{ subnet_id: id }] }));
  const deleting = { id, etag: '', request_id: '', validate_only: false };
  await expect(other.deleteSubnet(deleting)).rejects.toMatchObject({
    reason: 'SUBNET_IN_USE',
    details: { leases: '1' },
  });
  const leasesOf = async (owner_id: string) =>
    (await ipam.listLeases({ owner_id, subnet_id: '', page_size: 0, page_token: '' })).leases.map(
      (lease) => lease.subnet_id,
    );
  await ipam.releaseAddresses({ owner_id: 'guest', fixed_ips: [], request_id: '', validate_only: false });
  await other.deleteSubnet({ ...deleting, validate_only: true });
  expect(await leasesOf('dhcp:x')).toHaveLength(2);
  await other.deleteSubnet(deleting);
  expect(await leasesOf('dhcp:x')).toEqual([stays.id]);
});

test('each change of a subnet is told with its network, and what is only checked is not', async () => {
  const store = new MemoryStore('ipam', systemClock);
  const told: string[] = [];
  const subnets = new Subnets(store, records, new MemoryLeaseBook(store, 'address'), systemClock, (network) => {
    told.push(network);
  });
  const { signal } = new AbortController();
  const [id, networkId] = [parseUuid('id', randomUUID()), parseUuid('id', randomUUID())];
  const asked = { request: { requestId: '', method: '', body: '' }, validateOnly: false };
  const checked = { ...asked, validateOnly: true };
  const wish = { name: parseName('name', ''), gatewayIp: 'default', allocationPools: [] } as const;
  const rest = { dnsNameservers: [], hostRoutes: [], enableDhcp: true };
  const creation = { id, networkId, cidr: parseCidr('cidr', '10.0.0.0/24'), wish: { ...wish, ...rest } };
  await subnets.create({ ...checked, ...creation, ipv6AddressMode: undefined }, signal);
  expect(told).toEqual([]);
  await subnets.create({ ...asked, ...creation, ipv6AddressMode: undefined }, signal);
  await subnets.update({ ...checked, id, etag: '', patch: { enableDhcp: false } }, signal);
  await subnets.update({ ...asked, id, etag: '', patch: { enableDhcp: false } }, signal);
  await subnets.delete({ ...checked, id, etag: '' }, signal);
  await subnets.delete({ ...asked, id, etag: '' }, signal);
  expect(told).toEqual([networkId, networkId, networkId]);
});

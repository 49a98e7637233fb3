import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Ipv6AddressMode, ListLeasesRequest } from '#proto/weft/ipam/v1/ipam.ts';
import type { AddressLease, AllocateAddressesRequest, DeepPartial } from '#proto/weft/ipam/v1/ipam.ts';
import { allocating, allocatingMac, creating, releasing, runIpam } from './testing/running-ipam.ts';
import type { IpamClient, RunningIpam } from './testing/running-ipam.ts';

let running: RunningIpam;
let ipam: IpamClient;
let other: IpamClient;
/** One that has seen nothing of what happened before. */
let newcomer: IpamClient;

beforeAll(async () => {
  running = await runIpam(3);
  ipam = running.replicas[0].ipam;
  other = running.replicas[1]?.ipam ?? ipam;
  newcomer = running.replicas[2]?.ipam ?? ipam;
});

afterAll(() => running[Symbol.asyncDispose]());

const invalid = (field: string) => ({ code: 'invalid', violations: [{ field }] });
const addresses = (leases: readonly AddressLease[]): readonly string[] => leases.map(({ ip_address }) => ip_address);

/** Owners are known in the whole service, so each test has its own. */
const owner = (): string => `port-${randomUUID()}`;

/** A network with these subnets, and what is leased of it, shortly. */
const network = async (...cidrs: readonly string[]) => {
  const network_id = randomUUID();
  const subnets: string[] = [];
  for (const cidr of cidrs) subnets.push((await ipam.createSubnet(creating({ network_id, cidr }))).id);
  const take = async (holder: string, more: DeepPartial<AllocateAddressesRequest> = {}, on = ipam) =>
    addresses((await on.allocateAddresses(allocating(network_id, holder, more))).leases);
  return { network_id, subnets, take };
};

describe('addresses', () => {
  test('one of each IP version of the network, the gateway never', async () => {
    const { network_id, subnets, take } = await network('10.0.0.0/24', '2001:db8::/64', '10.0.1.0/24');
    const holder = owner();
    const { leases } = await ipam.allocateAddresses(allocating(network_id, holder));
    expect(leases).toMatchObject([
      { subnet_id: subnets[0], network_id, ip_address: '10.0.0.2', owner_id: holder },
      { subnet_id: subnets[1], network_id, ip_address: '2001:db8::2', owner_id: holder },
    ]);
    expect(Date.parse(leases[0]?.create_time ?? '')).toBeGreaterThan(Date.now() - 10_000);
    expect((await other.allocateAddresses(allocating(network_id, holder))).leases).toEqual(leases);
    expect(await take(owner(), {}, other)).toEqual(['10.0.0.3', '2001:db8::3']);
  });

  test('are what stations make of their MAC address, where they make them themselves', async () => {
    const network_id = randomUUID();
    const slaac = { network_id, cidr: '2001:db8:1::/64', ipv6_address_mode: Ipv6AddressMode.IPV6_ADDRESS_MODE_SLAAC };
    await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }));
    await ipam.createSubnet(creating(slaac));
    const [holder, another] = [owner(), owner()];
    await expect(ipam.allocateAddresses(allocating(network_id, holder))).rejects.toMatchObject({
      code: 'precondition',
      reason: 'MAC_ADDRESS_REQUIRED',
    });
    await ipam.allocateMacAddress(allocatingMac(network_id, holder, 'fa:16:3e:00:00:01'));
    await ipam.allocateMacAddress(allocatingMac(network_id, another, 'fa:16:3e:00:00:02'));
    const made = ['10.0.0.2', '2001:db8:1:0:f816:3eff:fe00:1'];
    for (const replica of [ipam, other]) {
      expect(addresses((await replica.allocateAddresses(allocating(network_id, holder))).leases)).toEqual(made);
    }
    const chosen = { fixed_ips: [{ ip_address: '2001:db8:1::77' }] };
    expect(addresses((await ipam.allocateAddresses(allocating(network_id, another, chosen))).leases)).toEqual([
      '2001:db8:1::77',
    ]);
  });

  test('come from the next subnet of the version when one is full', async () => {
    const { take } = await network('10.0.0.0/30', '10.0.1.0/30');
    expect(await take(owner())).toEqual(['10.0.0.2']);
    expect(await take(owner())).toEqual(['10.0.1.2']);
    await expect(take(owner())).rejects.toMatchObject({ code: 'exhausted', reason: 'SUBNET_FULL' });
  });

  test('are given all or none', async () => {
    const { network_id, take } = await network('10.0.0.0/24', '2001:db8::/127');
    expect(await take(owner())).toEqual(['10.0.0.2', '2001:db8::1']);
    const loser = owner();
    await expect(take(loser)).rejects.toMatchObject({ reason: 'SUBNET_FULL', details: { network: network_id } });
    const held = await ipam.listLeases(ListLeasesRequest.fromPartial({ owner_id: loser }));
    expect(held.leases).toEqual([]);
    expect(await take(owner(), { fixed_ips: [{ ip_address: '10.0.0.3' }] })).toEqual(['10.0.0.3']);
  });

  test('may be chosen, of a subnet or by address alone; the gateway too', async () => {
    const { subnets, take } = await network('10.0.0.0/24', '10.0.1.0/24', '2001:db8::/64');
    const router = owner();
    const chosen = {
      fixed_ips: [{ ip_address: '2001:DB8:0::0077' }, { ip_address: '10.0.0.1' }, { subnet_id: subnets[1] ?? '' }],
    };
    expect(await take(router, chosen)).toEqual(['2001:db8::77', '10.0.0.1', '10.0.1.2']);
    expect(await take(router, chosen, other)).toEqual(['2001:db8::77', '10.0.0.1', '10.0.1.2']);
    await expect(take(owner(), { fixed_ips: [{ ip_address: '10.0.0.1' }] })).rejects.toMatchObject({
      code: 'exists',
      reason: 'ADDRESS_IN_USE',
      details: { ip_address: '10.0.0.1', subnet: subnets[0] },
    });
    expect(await take(router, { fixed_ips: [{ ip_address: '10.0.0.9' }] })).toEqual([
      '10.0.0.9',
      '10.0.0.1',
      '10.0.1.2',
      '2001:db8::77',
    ]);
    expect(await take(router, { fixed_ips: [{ subnet_id: '', ip_address: '' }] })).toHaveLength(4);
  });

  test.each<readonly [string, DeepPartial<AllocateAddressesRequest>, string]>([
    ['no network', { network_id: '' }, 'network_id'],
    ['no owner', { owner_id: '' }, 'owner_id'],
    ['an owner with a slash', { owner_id: 'a/b' }, 'owner_id'],
    ['an owner of 256 letters', { owner_id: 'a'.repeat(256) }, 'owner_id'],
    ['a subnet that is no UUID', { fixed_ips: [{ subnet_id: 'x' }] }, 'fixed_ips[0].subnet_id'],
    ['an address that is none', { fixed_ips: [{}, { ip_address: '10.0.0.300' }] }, 'fixed_ips[1].ip_address'],
    ['an address with a zone', { fixed_ips: [{ ip_address: 'fe80::1%eth0' }] }, 'fixed_ips[0].ip_address'],
    ['the network address', { fixed_ips: [{ ip_address: '10.0.0.0' }] }, 'fixed_ips[0].ip_address'],
    ['the broadcast address', { fixed_ips: [{ ip_address: '10.0.0.255' }] }, 'fixed_ips[0].ip_address'],
    ['an address of no subnet', { fixed_ips: [{ ip_address: '10.0.9.9' }] }, 'fixed_ips[0].ip_address'],
    [
      'an address twice',
      { fixed_ips: [{ ip_address: '10.0.0.9' }, { ip_address: '10.0.0.9' }] },
      'fixed_ips[1].ip_address',
    ],
    ['too many', { fixed_ips: Array.from({ length: 65 }, () => ({})) }, 'fixed_ips'],
    ['a request id that is none', { request_id: 'x' }, 'request_id'],
  ])('with %s are refused', async (_, wrong, field) => {
    const { network_id } = await network('10.0.0.0/24');
    const request = allocating(network_id, owner(), wrong);
    await expect(ipam.allocateAddresses(request)).rejects.toMatchObject(invalid(field));
  });

  test('of a subnet of elsewhere, or where there is no subnet at all', async () => {
    const here = await network('10.0.0.0/24');
    const elsewhere = await network('10.0.0.0/24');
    const fixed_ips = [{ subnet_id: elsewhere.subnets[0] ?? '' }];
    await expect(here.take(owner(), { fixed_ips })).rejects.toMatchObject({
      code: 'not_found',
      reason: 'SUBNET_NOT_FOUND',
    });
    const none = await network();
    expect(await none.take(owner())).toEqual([]);
    await expect(none.take(owner(), { fixed_ips: [{}] })).rejects.toMatchObject({ code: 'precondition' });
  });

  test('of a subnet that another replica has just made are there at once', async () => {
    const { network_id, take } = await network('10.0.0.0/24');
    const holder = owner();
    expect(await take(holder)).toEqual(['10.0.0.2']);
    const { id } = await other.createSubnet(creating({ network_id, cidr: '10.0.1.0/24' }));
    expect(await take(holder, { fixed_ips: [{ subnet_id: id }] })).toEqual(['10.0.1.2', '10.0.0.2']);
    await other.createSubnet(creating({ network_id, cidr: '2001:db8::/64' }));
    expect(await take(holder)).toEqual(['10.0.0.2', '2001:db8::2', '10.0.1.2']);
  });

  test('are released by owner, all or some; releasing what is not held is no error', async () => {
    const { subnets, take } = await network('10.0.0.0/24', '2001:db8::/64');
    const [a, b] = [owner(), owner()];
    await take(a);
    await take(b);
    const release = async (more: Parameters<typeof releasing>[1], holder = a) =>
      addresses((await other.releaseAddresses(releasing(holder, more))).leases);
    expect(await release({ fixed_ips: [{ ip_address: '10.0.0.3' }] })).toEqual([]);
    expect(await release({ fixed_ips: [{ subnet_id: subnets[1] ?? '' }] })).toEqual(['2001:db8::2']);
    expect(await release({ validate_only: true })).toEqual(['10.0.0.2']);
    expect(await release({})).toEqual(['10.0.0.2']);
    expect(await release({})).toEqual([]);
    expect(await release({}, b)).toEqual(['10.0.0.3', '2001:db8::3']);
    await expect(release({ fixed_ips: [{}] })).rejects.toMatchObject(invalid('fixed_ips[0]'));
    await expect(other.releaseAddresses(releasing(''))).rejects.toMatchObject(invalid('owner_id'));
  });

  test('asked for with the same request id are the same, even after the subnet has gone', async () => {
    const { network_id, subnets, take } = await network('10.0.0.0/24');
    const holder = owner();
    const more = { request_id: randomUUID(), fixed_ips: [{ subnet_id: subnets[0] ?? '' }] };
    expect(await take(holder, more)).toEqual(['10.0.0.2']);
    await ipam.releaseAddresses(releasing(holder));
    expect(await take(owner(), { fixed_ips: [{ ip_address: '10.0.0.2' }] })).toEqual(['10.0.0.2']);
    expect(await take(holder, more, other)).toEqual(['10.0.0.2']);
    await expect(take(owner(), more)).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
    const { leases } = await ipam.listLeases(ListLeasesRequest.fromPartial({ subnet_id: subnets[0] ?? '' }));
    for (const { owner_id } of leases) await ipam.releaseAddresses(releasing(owner_id));
    await ipam.deleteSubnet({ id: subnets[0] ?? '', etag: '', request_id: '', validate_only: false });
    expect(await take(holder, more, other)).toEqual(['10.0.0.2']);
    expect(await take(holder, more, newcomer)).toEqual(['10.0.0.2']);
    await expect(take(owner(), more, newcomer)).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
    await expect(take(holder, { ...more, request_id: randomUUID() })).rejects.toMatchObject({ code: 'not_found' });
    expect((await ipam.listSubnets({ network_id, page_size: 0, page_token: '' })).subnets).toEqual([]);
  });

  test('with validate_only are found, not given', async () => {
    const { take } = await network('10.0.0.0/24');
    const validate_only = true;
    expect(await take(owner(), { validate_only })).toEqual(['10.0.0.2']);
    expect(await take(owner())).toEqual(['10.0.0.2']);
    await expect(take(owner(), { validate_only, fixed_ips: [{ ip_address: '10.0.0.2' }] })).rejects.toMatchObject({
      reason: 'ADDRESS_IN_USE',
    });
  });
});

describe('leases are listed', () => {
  const listing = (more: DeepPartial<ListLeasesRequest>) => ListLeasesRequest.fromPartial(more);
  const all = async (more: DeepPartial<ListLeasesRequest>): Promise<readonly string[]> => {
    const seen: string[] = [];
    let page_token = '';
    do {
      const page = await other.listLeases(listing({ page_size: 3, ...more, page_token }));
      seen.push(...addresses(page.leases));
      page_token = page.next_page_token;
    } while (page_token !== '');
    return seen;
  };

  test('in address order, of a subnet and of an owner', async () => {
    const { subnets, take } = await network('10.0.0.0/16', '2001:db8::/32');
    const holder = owner();
    const chosen = ['10.0.200.1', '10.0.3.1', '10.0.10.1', '2001:db8:ffff::1', '2001:db8::a', '2001:db8::9:0'];
    await take(holder, { fixed_ips: chosen.map((ip_address) => ({ ip_address })) });
    await take(owner());
    const [four = '', six = ''] = subnets;
    expect(await all({ subnet_id: four })).toEqual(['10.0.0.2', '10.0.3.1', '10.0.10.1', '10.0.200.1']);
    expect(await all({ subnet_id: six })).toEqual(['2001:db8::2', '2001:db8::a', '2001:db8::9:0', '2001:db8:ffff::1']);
    expect(await all({ owner_id: holder })).toEqual([
      '10.0.3.1',
      '10.0.10.1',
      '10.0.200.1',
      '2001:db8::a',
      '2001:db8::9:0',
      '2001:db8:ffff::1',
    ]);
    expect(await all({ subnet_id: four, page_size: 4 })).toHaveLength(4);
  });

  test('of one of the two only, and of what exists', async () => {
    const { subnets } = await network('10.0.0.0/24');
    const [subnet_id = ''] = subnets;
    expect(await all({ subnet_id })).toEqual([]);
    await expect(ipam.listLeases(listing({}))).rejects.toMatchObject(invalid('subnet_id'));
    await expect(ipam.listLeases(listing({ subnet_id, owner_id: 'a' }))).rejects.toMatchObject(invalid('owner_id'));
    await expect(ipam.listLeases(listing({ subnet_id: randomUUID() }))).rejects.toMatchObject({ code: 'not_found' });
    await expect(ipam.listLeases(listing({ subnet_id, page_token: 'x' }))).rejects.toMatchObject(invalid('page_token'));
  });
});

describe('MAC addresses', () => {
  test('are of the base, unique in a network, and stay with their owner', async () => {
    const network_id = randomUUID();
    const given = await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        (at % 2 === 0 ? ipam : other).allocateMacAddress(allocatingMac(network_id, `p${at.toString()}`)),
      ),
    );
    const macs = given.map(({ mac_address }) => mac_address);
    expect(new Set(macs).size).toBe(40);
    for (const mac of macs) expect(mac).toMatch(/^fa:16:3e(:[0-9a-f]{2}){3}$/);
    const [first = ''] = macs;
    expect(await other.allocateMacAddress(allocatingMac(network_id, 'p0'))).toEqual({ mac_address: first });
    expect(await other.allocateMacAddress(allocatingMac(network_id, 'p0', first.toUpperCase()))).toEqual({
      mac_address: first,
    });
  });

  test('may be chosen; a network knows nothing of another', async () => {
    const [network_id, elsewhere] = [randomUUID(), randomUUID()];
    const mac_address = '02:00:00:00:00:01';
    expect(await ipam.allocateMacAddress(allocatingMac(network_id, 'a', mac_address))).toEqual({ mac_address });
    await expect(other.allocateMacAddress(allocatingMac(network_id, 'b', mac_address))).rejects.toMatchObject({
      code: 'exists',
      reason: 'MAC_ADDRESS_IN_USE',
    });
    await expect(other.allocateMacAddress(allocatingMac(network_id, 'a', '02:00:00:00:00:02'))).rejects.toMatchObject({
      code: 'precondition',
      reason: 'OTHER_MAC_ADDRESS_HELD',
    });
    expect(await other.allocateMacAddress(allocatingMac(elsewhere, 'a', mac_address))).toEqual({ mac_address });
    const releaseHere = { network_id, owner_id: 'a', request_id: '', validate_only: false };
    await other.releaseMacAddress({ ...releaseHere, validate_only: true });
    await expect(ipam.allocateMacAddress(allocatingMac(network_id, 'b', mac_address))).rejects.toMatchObject({
      code: 'exists',
    });
    await other.releaseMacAddress(releaseHere);
    await other.releaseMacAddress(releaseHere);
    expect(await ipam.allocateMacAddress(allocatingMac(network_id, 'b', mac_address))).toEqual({ mac_address });
    await expect(ipam.allocateMacAddress(allocatingMac(elsewhere, 'c', mac_address))).rejects.toMatchObject({
      code: 'exists',
    });
  });

  test('chosen by the request id are the same again', async () => {
    const request = { ...allocatingMac(randomUUID(), 'a'), request_id: randomUUID() };
    const first = await ipam.allocateMacAddress(request);
    await ipam.releaseMacAddress({
      network_id: request.network_id,
      owner_id: 'a',
      request_id: '',
      validate_only: false,
    });
    expect(await other.allocateMacAddress(request)).toEqual(first);
  });

  test.each([
    ['', 'a', '', 'network_id'],
    [randomUUID(), '', '', 'owner_id'],
    [randomUUID(), 'a', '01:00:5e:00:00:01', 'mac_address'],
    [randomUUID(), 'a', '00:00:00:00:00:00', 'mac_address'],
    [randomUUID(), 'a', 'fa:16:3e', 'mac_address'],
  ])('of network %j for owner %j as %j are refused: %s', async (network_id, owner_id, mac, field) => {
    await expect(ipam.allocateMacAddress(allocatingMac(network_id, owner_id, mac))).rejects.toMatchObject(
      invalid(field),
    );
  });
});

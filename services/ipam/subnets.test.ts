import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CreateSubnetRequest, Ipv6AddressMode } from '#proto/weft/ipam/v1/ipam.ts';
import type { DeepPartial, Subnet } from '#proto/weft/ipam/v1/ipam.ts';
import { UpdateSubnetRequest } from '#proto/weft/ipam/v1/ipam.ts';
import { allocating, creating, releasing, runIpam } from './testing/running-ipam.ts';
import type { IpamClient, RunningIpam } from './testing/running-ipam.ts';

let running: RunningIpam;
let ipam: IpamClient;
/** Another replica: what one has written the other has to know at once. */
let other: IpamClient;

beforeAll(async () => {
  running = await runIpam(2);
  ipam = running.replicas[0].ipam;
  other = running.replicas[1]?.ipam ?? ipam;
});

afterAll(() => running[Symbol.asyncDispose]());

const updating = (subnet: DeepPartial<Subnet>, update_mask: string[], more: DeepPartial<UpdateSubnetRequest> = {}) =>
  UpdateSubnetRequest.fromPartial({ subnet, update_mask, ...more });

const slaac = Ipv6AddressMode.IPV6_ADDRESS_MODE_SLAAC;

const invalid = (field: string) => ({ code: 'invalid', violations: [{ field }] });

describe('a new subnet', () => {
  test('has a gateway and pools of all other hosts unless told otherwise', async () => {
    const network_id = randomUUID();
    const subnet = await ipam.createSubnet(creating({ network_id, cidr: '172.16.1.0/24', name: 'blue' }));
    expect(subnet).toMatchObject({
      network_id,
      name: 'blue',
      cidr: '172.16.1.0/24',
      ip_version: 4,
      gateway_ip: '172.16.1.1',
      allocation_pools: [{ start: '172.16.1.2', end: '172.16.1.254' }],
      dns_nameservers: [],
      host_routes: [],
      enable_dhcp: true,
      revision_number: '1',
    });
    expect(Date.parse(subnet.create_time ?? '')).toBeGreaterThan(Date.now() - 10_000);
    expect(await other.getSubnet({ id: subnet.id })).toEqual(subnet);
  });

  test.each([
    ['10.0.0.0/30', undefined, '10.0.0.1', ['10.0.0.2-10.0.0.2']],
    ['10.0.0.0/31', undefined, '10.0.0.0', ['10.0.0.1-10.0.0.1']],
    ['10.0.0.7/32', '', '', ['10.0.0.7-10.0.0.7']],
    ['10.0.0.7/32', undefined, '10.0.0.7', []],
    ['10.0.0.0/29', '10.0.0.3', '10.0.0.3', ['10.0.0.1-10.0.0.2', '10.0.0.4-10.0.0.6']],
    ['10.0.0.0/29', '', '', ['10.0.0.1-10.0.0.6']],
    ['10.0.0.0/8', undefined, '10.0.0.1', ['10.0.0.2-10.255.255.254']],
    ['2001:db8:1::/64', undefined, '2001:db8:1::1', ['2001:db8:1::2-2001:db8:1:0:ffff:ffff:ffff:ffff']],
    ['2001:db8:1::/64', 'fe80::1', 'fe80::1', ['2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff']],
    ['2001:db8:1::/127', undefined, '2001:db8:1::', ['2001:db8:1::1-2001:db8:1::1']],
  ])('of %s with gateway %j has %j and %j', async (cidr, gateway_ip, gateway, pools) => {
    const subnet = await ipam.createSubnet(creating({ cidr, ...(gateway_ip === undefined ? {} : { gateway_ip }) }));
    expect(subnet.gateway_ip).toBe(gateway);
    expect(subnet.allocation_pools.map(({ start, end }) => `${start}-${end}`)).toEqual(pools);
  });

  test('keeps what it was given, in canonical form', async () => {
    const given = {
      id: randomUUID(),
      cidr: '2001:DB8:0:1::/64',
      gateway_ip: '2001:db8:0:1:0::A',
      allocation_pools: [{ start: '2001:db8:0:1::100', end: '2001:db8:0:1::0fff' }],
      dns_nameservers: ['2001:db8::35'],
      host_routes: [{ destination: '2001:db8:7::/48', nexthop: '2001:db8:0:1::b' }],
      enable_dhcp: false,
    };
    const subnet = await ipam.createSubnet(creating(given));
    expect(subnet).toMatchObject({
      ...given,
      cidr: '2001:db8:0:1::/64',
      gateway_ip: '2001:db8:0:1::a',
      allocation_pools: [{ start: '2001:db8:0:1::100', end: '2001:db8:0:1::fff' }],
    });
    await expect(ipam.createSubnet(creating(given))).rejects.toMatchObject({ code: 'exists', reason: 'SUBNET_EXISTS' });
  });

  test.each<readonly [string, DeepPartial<Subnet>, string]>([
    ['no network', { network_id: '' }, 'subnet.network_id'],
    ['a network that is no UUID', { network_id: 'blue; rm -rf /' }, 'subnet.network_id'],
    ['an id that is no UUID', { id: '../etc' }, 'subnet.id'],
    ['no prefix', { cidr: '' }, 'subnet.cidr'],
    ['host bits', { cidr: '10.0.0.1/24' }, 'subnet.cidr'],
    ['a prefix too long', { cidr: '10.0.0.0/33' }, 'subnet.cidr'],
    ['everything', { cidr: '0.0.0.0/0' }, 'subnet.cidr'],
    ['multicast', { cidr: '224.1.0.0/16' }, 'subnet.cidr'],
    ['loopback', { cidr: '127.0.0.0/24' }, 'subnet.cidr'],
    ['IPv4-mapped', { cidr: '::ffff:10.0.0.0/120' }, 'subnet.cidr'],
    ['link-local', { cidr: 'fe80::/64' }, 'subnet.cidr'],
    ['an address mode of IPv6', { ipv6_address_mode: slaac }, 'subnet.ipv6_address_mode'],
    ['SLAAC of other than 64 bits', { cidr: '2001:db8::/80', ipv6_address_mode: slaac }, 'subnet.ipv6_address_mode'],
    ['a gateway elsewhere', { gateway_ip: '10.0.1.1' }, 'subnet.gateway_ip'],
    ['the network address as gateway', { gateway_ip: '10.0.0.0' }, 'subnet.gateway_ip'],
    ['the broadcast address as gateway', { gateway_ip: '10.0.0.255' }, 'subnet.gateway_ip'],
    ['a gateway of the other version', { gateway_ip: '2001:db8::1' }, 'subnet.gateway_ip'],
    [
      'a pool elsewhere',
      { allocation_pools: [{ start: '10.0.1.2', end: '10.0.1.9' }] },
      'subnet.allocation_pools[0].start',
    ],
    [
      'a pool too long',
      { allocation_pools: [{ start: '10.0.0.2', end: '10.0.0.255' }] },
      'subnet.allocation_pools[0].end',
    ],
    [
      'a pool upside down',
      { allocation_pools: [{ start: '10.0.0.9', end: '10.0.0.2' }] },
      'subnet.allocation_pools[0].end',
    ],
    [
      'pools that overlap',
      {
        allocation_pools: [
          { start: '10.0.0.2', end: '10.0.0.9' },
          { start: '10.0.0.9', end: '10.0.0.12' },
        ],
      },
      'subnet.allocation_pools[1]',
    ],
    [
      'a pool around another',
      {
        allocation_pools: [
          { start: '10.0.0.5', end: '10.0.0.6' },
          { start: '10.0.0.2', end: '10.0.0.12' },
        ],
      },
      'subnet.allocation_pools[1]',
    ],
    [
      'a pool with the gateway',
      { allocation_pools: [{ start: '10.0.0.1', end: '10.0.0.9' }] },
      'subnet.allocation_pools[0]',
    ],
    ['a name server that is none', { dns_nameservers: ['one.one.one.one'] }, 'subnet.dns_nameservers[0]'],
    ['a name server twice', { dns_nameservers: ['1.1.1.1', '1.1.1.1'] }, 'subnet.dns_nameservers[1]'],
    ['a name server of the other version', { dns_nameservers: ['2001:db8::35'] }, 'subnet.dns_nameservers[0]'],
    [
      'a route to nowhere',
      { host_routes: [{ destination: 'x', nexthop: '10.0.0.9' }] },
      'subnet.host_routes[0].destination',
    ],
    [
      'a route by nobody',
      { host_routes: [{ destination: '10.9.0.0/16', nexthop: '' }] },
      'subnet.host_routes[0].nexthop',
    ],
    ['a name too long', { name: 'x'.repeat(256) }, 'subnet.name'],
  ])('with %s is refused, and nothing changes', async (_, wrong, field) => {
    const network_id = randomUUID();
    await expect(ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24', ...wrong }))).rejects.toMatchObject(
      invalid(field),
    );
    expect((await ipam.listSubnets({ network_id, page_size: 0, page_token: '' })).subnets).toEqual([]);
  });

  test('is refused when there is none in the request', async () => {
    await expect(ipam.createSubnet(CreateSubnetRequest.fromPartial({}))).rejects.toMatchObject(invalid('subnet'));
  });

  test('may not overlap another of its network, but one of another network', async () => {
    const network_id = randomUUID();
    await ipam.createSubnet(creating({ network_id, cidr: '10.1.0.0/16' }));
    await expect(other.createSubnet(creating({ network_id, cidr: '10.1.2.0/24' }))).rejects.toMatchObject(
      invalid('subnet.cidr'),
    );
    await expect(other.createSubnet(creating({ network_id, cidr: '10.0.0.0/8' }))).rejects.toMatchObject(
      invalid('subnet.cidr'),
    );
    await ipam.createSubnet(creating({ network_id, cidr: '10.2.0.0/16' }));
    await ipam.createSubnet(creating({ cidr: '10.1.0.0/16' }));
  });

  test('of many that overlap and are made at once on two replicas, those come to be that do not overlap', async () => {
    const network_id = randomUUID();
    const attempts = Array.from({ length: 12 }, (_, at) =>
      (at % 2 === 0 ? ipam : other).createSubnet(
        creating({ network_id, cidr: at < 6 ? '10.0.0.0/16' : `10.0.${at.toString()}.0/24` }),
      ),
    );
    const made = (await Promise.allSettled(attempts)).filter((result) => result.status === 'fulfilled');
    const { subnets } = await ipam.listSubnets({ network_id, page_size: 0, page_token: '' });
    expect(subnets).toHaveLength(made.length);
    expect(subnets.length).toBeGreaterThan(0);
    // Either the wide one or some of the narrow ones, never both.
    expect(subnets.some(({ cidr }) => cidr === '10.0.0.0/16')).toBe(subnets.length === 1 && made.length === 1);
  });
});

describe('a change', () => {
  test('touches what the mask names and nothing else', async () => {
    const subnet = await ipam.createSubnet(
      creating({ cidr: '10.0.0.0/24', name: 'old', dns_nameservers: ['1.1.1.1'] }),
    );
    const changed = await other.updateSubnet(
      updating({ id: subnet.id, name: 'new', cidr: '10.9.0.0/16', dns_nameservers: ['9.9.9.9'] }, ['subnet.name']),
    );
    expect(changed).toEqual({
      ...subnet,
      name: 'new',
      etag: changed.etag,
      revision_number: '2',
      update_time: changed.update_time,
    });
    expect(changed.etag).not.toBe(subnet.etag);
    expect(await ipam.getSubnet({ id: subnet.id })).toEqual(changed);
  });

  test('without a mask sets all that may change, defaults where nothing is given', async () => {
    const subnet = await ipam.createSubnet(creating({ cidr: '10.0.0.0/24', name: 'old', gateway_ip: '10.0.0.9' }));
    const changed = await ipam.updateSubnet(updating({ id: subnet.id, enable_dhcp: false }, []));
    expect(changed).toMatchObject({ name: '', gateway_ip: '10.0.0.1', enable_dhcp: false });
    expect(changed.allocation_pools).toEqual([{ start: '10.0.0.2', end: '10.0.0.254' }]);
  });

  test('keeps the address mode of IPv6, which is given once', async () => {
    const subnet = await ipam.createSubnet(creating({ cidr: '2001:db8:5::/64', ipv6_address_mode: slaac }));
    const { id } = subnet;
    const mode = updating({ id, ipv6_address_mode: Ipv6AddressMode.IPV6_ADDRESS_MODE_UNSPECIFIED }, [
      'ipv6_address_mode',
    ]);
    await expect(ipam.updateSubnet(mode)).rejects.toMatchObject(invalid('update_mask'));
    const named = await other.updateSubnet(updating({ id, name: 'six' }, ['name']));
    expect(named).toMatchObject({ name: 'six', ipv6_address_mode: slaac });
  });

  test('that changes nothing leaves the revision', async () => {
    const subnet = await ipam.createSubnet(creating({ cidr: '10.0.0.0/24', name: 'same' }));
    expect(await ipam.updateSubnet(updating({ id: subnet.id, name: 'same' }, ['name']))).toEqual(subnet);
  });

  test('of an immutable field, of a gateway into a pool, of what is not there is refused', async () => {
    const subnet = await ipam.createSubnet(creating({ cidr: '10.0.0.0/24' }));
    const { id } = subnet;
    await expect(ipam.updateSubnet(updating({ id, cidr: '10.1.0.0/24' }, ['cidr']))).rejects.toMatchObject(
      invalid('update_mask'),
    );
    await expect(ipam.updateSubnet(updating({ id, gateway_ip: '10.0.0.7' }, ['gateway_ip']))).rejects.toMatchObject(
      invalid('subnet.allocation_pools[0]'),
    );
    await expect(ipam.updateSubnet(updating({ id: randomUUID() }, ['name']))).rejects.toMatchObject({
      code: 'not_found',
      reason: 'SUBNET_NOT_FOUND',
    });
    expect(await ipam.getSubnet({ id })).toEqual(subnet);
  });

  test('with an old etag is refused', async () => {
    const { id, etag } = await ipam.createSubnet(creating({ cidr: '10.0.0.0/24' }));
    await ipam.updateSubnet(updating({ id, name: 'a', etag }, ['name']));
    const conflict = { code: 'conflict', reason: 'ETAG_MISMATCH' };
    await expect(ipam.updateSubnet(updating({ id, name: 'b', etag }, ['name']))).rejects.toMatchObject(conflict);
    const deleting = { id, etag, request_id: '', validate_only: false };
    await expect(ipam.deleteSubnet(deleting)).rejects.toMatchObject(conflict);
    await ipam.deleteSubnet({ ...deleting, etag: (await ipam.getSubnet({ id })).etag });
  });

  test('of the pools is known to every replica with the next allocation', async () => {
    const network_id = randomUUID();
    const { id } = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }));
    const lease = async (on: IpamClient, owner: string) =>
      (await on.allocateAddresses(allocating(network_id, owner))).leases.map(({ ip_address }) => ip_address);
    expect(await lease(ipam, 'a')).toEqual(['10.0.0.2']);
    expect(await lease(other, 'b')).toEqual(['10.0.0.3']);
    const pools = { allocation_pools: [{ start: '10.0.0.100', end: '10.0.0.101' }] };
    await ipam.updateSubnet(updating({ id, ...pools }, ['allocation_pools']));
    expect(await lease(other, 'c')).toEqual(['10.0.0.100']);
    expect(await lease(other, 'a')).toEqual(['10.0.0.2']);
    expect(await lease(ipam, 'd')).toEqual(['10.0.0.101']);
    await expect(lease(other, 'e')).rejects.toMatchObject({ code: 'exhausted', reason: 'SUBNET_FULL' });
  });
});

describe('a deletion', () => {
  const deleting = (id: string) => ({ id, etag: '', request_id: '', validate_only: false });

  test('waits for the last address to be released', async () => {
    const network_id = randomUUID();
    const { id } = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }));
    await other.allocateAddresses(allocating(network_id, 'a'));
    await expect(ipam.deleteSubnet(deleting(id))).rejects.toMatchObject({
      code: 'precondition',
      reason: 'SUBNET_IN_USE',
    });
    await other.releaseAddresses(releasing('a'));
    await ipam.deleteSubnet(deleting(id));
    await expect(other.getSubnet({ id })).rejects.toMatchObject({ code: 'not_found' });
    await expect(ipam.deleteSubnet(deleting(id))).rejects.toMatchObject({ code: 'not_found' });
    expect((await other.allocateAddresses(allocating(network_id, 'a'))).leases).toEqual([]);
  });

  test('and allocations at the same time: no address of a subnet that is gone', async () => {
    for (let round = 0; round < 20; round += 1) {
      const network_id = randomUUID();
      const { id } = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }));
      const owners = ['a', 'b', 'c'].map((name) => `${name}${round.toString()}`);
      const [deleted, ...leased] = await Promise.allSettled([
        ipam.deleteSubnet(deleting(id)),
        ...owners.map((owner) => other.allocateAddresses(allocating(network_id, owner))),
      ]);
      const leases = leased.flatMap((result) => (result.status === 'fulfilled' ? result.value.leases : []));
      if (deleted.status === 'fulfilled') {
        expect(leases).toEqual([]);
      } else {
        expect(deleted.reason).toMatchObject({ reason: 'SUBNET_IN_USE' });
        expect(leases.length).toBeGreaterThan(0);
      }
    }
  });

  test('makes room for the same prefix, whose addresses begin anew', async () => {
    const network_id = randomUUID();
    const first = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }));
    await ipam.allocateAddresses(allocating(network_id, 'a'));
    await ipam.releaseAddresses(releasing('a'));
    await ipam.deleteSubnet(deleting(first.id));
    const second = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24', id: first.id }));
    expect(second.etag).not.toBe(first.etag);
    const { leases } = await other.allocateAddresses(allocating(network_id, 'b'));
    expect(leases).toMatchObject([{ subnet_id: first.id, owner_id: 'b' }]);
  });
});

describe('lists', () => {
  test('page by page, of one network, in id order', async () => {
    const network_id = randomUUID();
    const ids: string[] = [];
    for (let at = 0; at < 5; at += 1) {
      ids.push((await ipam.createSubnet(creating({ network_id, cidr: `10.${at.toString()}.0.0/16` }))).id);
    }
    const seen: string[] = [];
    let page_token = '';
    do {
      const page = await other.listSubnets({ network_id, page_size: 2, page_token });
      expect(page.subnets.length).toBeLessThanOrEqual(2);
      seen.push(...page.subnets.map(({ id }) => id));
      page_token = page.next_page_token;
    } while (page_token !== '');
    expect(seen).toEqual(ids.toSorted());
    const all = await ipam.listSubnets({ network_id: '', page_size: 1_000, page_token: '' });
    expect(all.subnets.map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
  });

  test('refuse tokens of other lists, and sizes below nothing', async () => {
    const network_id = randomUUID();
    for (const cidr of ['10.0.0.0/24', '10.0.1.0/24']) await ipam.createSubnet(creating({ network_id, cidr }));
    const { next_page_token } = await ipam.listSubnets({ network_id, page_size: 1, page_token: '' });
    const list = (more: object) => ipam.listSubnets({ network_id, page_size: 1, page_token: '', ...more });
    await expect(list({ network_id: randomUUID(), page_token: next_page_token })).rejects.toMatchObject(
      invalid('page_token'),
    );
    await expect(list({ page_token: 'x' })).rejects.toMatchObject(invalid('page_token'));
    await expect(list({ page_size: -1 })).rejects.toMatchObject(invalid('page_size'));
    await expect(list({ network_id: 'x' })).rejects.toMatchObject(invalid('network_id'));
  });
});

describe('a request id', () => {
  test('makes creation, change and deletion repeatable', async () => {
    const create = creating({ cidr: '10.0.0.0/24', name: 'one' }, { request_id: randomUUID() });
    const subnet = await ipam.createSubnet(create);
    expect(await other.createSubnet(create)).toEqual(subnet);
    const { id } = subnet;
    const update = updating({ id, name: 'two' }, ['name'], { request_id: randomUUID() });
    const changed = await ipam.updateSubnet(update);
    await ipam.updateSubnet(updating({ id, name: 'three' }, ['name']));
    expect(await other.updateSubnet(update)).toEqual(changed);
    const deletion = { id, etag: '', request_id: randomUUID(), validate_only: false };
    await ipam.deleteSubnet(deletion);
    expect(await other.deleteSubnet(deletion)).toEqual({});
    await expect(other.deleteSubnet({ ...deletion, request_id: randomUUID() })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('is good for one request only', async () => {
    const create = creating({ cidr: '10.0.0.0/24' }, { request_id: randomUUID() });
    const { id } = await ipam.createSubnet(create);
    const reused = { code: 'invalid', reason: 'REQUEST_ID_REUSED', violations: [{ field: 'request_id' }] };
    await expect(
      ipam.createSubnet({ ...creating({ cidr: '10.0.0.0/25' }), request_id: create.request_id }),
    ).rejects.toMatchObject(reused);
    await expect(
      ipam.deleteSubnet({ id, etag: '', request_id: create.request_id, validate_only: false }),
    ).rejects.toMatchObject(reused);
    await expect(ipam.createSubnet({ ...create, request_id: 'once' })).rejects.toMatchObject(invalid('request_id'));
  });
});

test('validate_only checks all and changes nothing', async () => {
  const network_id = randomUUID();
  const tried = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }, { validate_only: true }));
  expect(tried).toMatchObject({ cidr: '10.0.0.0/24', gateway_ip: '10.0.0.1' });
  await expect(ipam.getSubnet({ id: tried.id })).rejects.toMatchObject({ code: 'not_found' });
  const subnet = await ipam.createSubnet(creating({ network_id, cidr: '10.0.0.0/24' }));
  const again = creating({ network_id, cidr: '10.0.0.0/16' }, { validate_only: true });
  await expect(ipam.createSubnet(again)).rejects.toMatchObject(invalid('subnet.cidr'));
  const { id } = subnet;
  await ipam.updateSubnet(updating({ id, name: 'x' }, ['name'], { validate_only: true }));
  await ipam.deleteSubnet({ id, etag: '', request_id: '', validate_only: true });
  expect(await ipam.getSubnet({ id })).toEqual(subnet);
  await ipam.allocateAddresses(allocating(network_id, 'a'));
  await expect(ipam.deleteSubnet({ id, etag: '', request_id: '', validate_only: true })).rejects.toMatchObject({
    reason: 'SUBNET_IN_USE',
  });
});

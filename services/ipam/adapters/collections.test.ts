import { expect, test } from 'vitest';
import { parseCidr } from '#platform/net/cidr.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseName, parsePhysicalNetwork, parseUuid } from '#platform/net/names.ts';
import { networkIndex } from '../app/records.ts';
import type { Subnet } from '../domain/subnet.ts';
import { records } from './collections.ts';

const id = parseUuid('id', '0b6f0a3e-5b5c-4a36-9a0e-0d3f6c1d2e01');
const networkId = parseUuid('id', '0b6f0a3e-5b5c-4a36-9a0e-0d3f6c1d2e02');
const ip = (text: string) => parseIp('ip', text);
const time = '2030-01-01T00:00:00.000Z';

const subnet: Subnet = {
  id,
  networkId,
  name: parseName('name', 'blue'),
  cidr: parseCidr('cidr', '10.0.0.0/24'),
  gatewayIp: ip('10.0.0.1'),
  allocationPools: [{ start: ip('10.0.0.2'), end: ip('10.0.0.9') }],
  dnsNameservers: [ip('1.1.1.1')],
  hostRoutes: [{ destination: parseCidr('cidr', '10.9.0.0/16'), nexthop: ip('10.0.0.7') }],
  enableDhcp: true,
  createTime: time,
  updateTime: time,
};

test('subnets are read as they were written', () => {
  const { encode, decode, indexes } = records.subnets;
  for (const one of [subnet, { ...subnet, gatewayIp: undefined, hostRoutes: [], ipv6AddressMode: 'slaac' as const }])
    expect(decode(encode(one))).toEqual(one);
  expect(indexes?.(subnet)).toEqual([networkIndex(networkId)]);
});

test('so are the lists of a network and of segment ranges', () => {
  const network = { subnets: [{ id, cidr: subnet.cidr }] };
  expect(records.networks.decode(records.networks.encode(network))).toEqual(network);
  const range = { id, name: subnet.name, minimum: 1, maximum: 9, createTime: time };
  const vlan = { type: 'vlan', physicalNetwork: parsePhysicalNetwork('p', 'physnet1') } as const;
  for (const kind of [{ type: 'vxlan' } as const, vlan]) {
    expect(records.segmentRanges.decode(records.segmentRanges.encode({ ...range, kind }))).toEqual({ ...range, kind });
  }
  const space = { ranges: [{ id, minimum: 1, maximum: 9 }] };
  expect(records.segmentSpaces.decode(records.segmentSpaces.encode(space))).toEqual(space);
});

test('what nobody of us has written is not read', () => {
  const text = records.subnets.encode(subnet);
  for (const broken of [
    '',
    '{}',
    text.replace('10.0.0.0/24', '10.0.0.1/24'),
    text.replace('"enableDhcp"', '"enable"'),
  ]) {
    expect(() => records.subnets.decode(broken)).toThrow();
  }
});

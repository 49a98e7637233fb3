import { describe, expect, test } from 'vitest';
import { labHosts, parseUnderlayMtu } from './topology.ts';

describe('the hosts of a lab', () => {
  test('a number names them h1, h2, … with addresses that end alike', () => {
    expect(labHosts(2, 'ipv4')).toEqual([
      {
        ...{ name: 'h1', index: 0, driver: 'linuxbridge', roles: [] },
        ...{ underlayAddress: '192.0.2.11', managementAddress: '10.254.0.11' },
      },
      {
        ...{ name: 'h2', index: 1, driver: 'linuxbridge', roles: [] },
        ...{ underlayAddress: '192.0.2.12', managementAddress: '10.254.0.12' },
      },
    ]);
    expect(labHosts(['left', 'right'], 'ipv6').map((host) => host.underlayAddress)).toEqual([
      '2001:db8:ffff::11',
      '2001:db8:ffff::12',
    ]);
  });

  test('two hundred hosts have as many addresses, all within the prefix', () => {
    const hosts = labHosts(200, 'ipv4');
    expect(new Set(hosts.map((host) => host.underlayAddress)).size).toBe(200);
    expect(hosts.at(-1)?.underlayAddress).toBe('192.0.2.210');
  });

  test('counts on from an address that is given, and refuses one that does not fit', () => {
    const of = (hosts: number, first: string, underlay: 'ipv4' | 'ipv6' = 'ipv4') =>
      labHosts(hosts, underlay, [], [], first).map((host) => host.underlayAddress);
    expect(of(2, '192.168.56.101')).toEqual(['192.168.56.101', '192.168.56.102']);
    expect(of(2, '2001:db8::99', 'ipv6')).toEqual(['2001:db8::99', '2001:db8::100']);
    for (const first of ['x', '2001:db8::1', '224.0.0.1', '10.0.0.254']) {
      expect(() => of(2, first)).toThrow('first_address');
    }
  });

  test.each([[0], [201], [1.5], [Number.NaN], [[]], [['a', 'a']], [['control']], [['x'.repeat(13)]]])(
    'refuses %j',
    (hosts) => {
      expect(() => labHosts(hosts, 'ipv4')).toThrow('hosts');
    },
  );

  test('an underlay of IPv6 has an MTU of 1280 at least', () => {
    expect(parseUnderlayMtu(1280, 'ipv6')).toBe(1280);
    expect(() => parseUnderlayMtu(1279, 'ipv6')).toThrow('1280');
    expect(parseUnderlayMtu(600, 'ipv4')).toBe(600);
    expect(() => parseUnderlayMtu(65_536, 'ipv4')).toThrow('mtu');
  });

  test('one driver is that of all hosts, several are theirs in order', () => {
    const driversOf = (...drivers: readonly string[]): readonly string[] =>
      labHosts(3, 'ipv4', drivers).map(({ driver }) => driver);
    expect(driversOf('ovs')).toEqual(['ovs', 'ovs', 'ovs']);
    expect(driversOf('linuxbridge', 'ovs', 'linuxbridge')).toEqual(['linuxbridge', 'ovs', 'linuxbridge']);
    expect(() => driversOf('ovs', 'ovs')).toThrow('neither one driver for all nor one for each of 3 hosts');
    expect(() => driversOf('linuxbridge', 'vpp', 'ovs')).toThrow(
      'drivers: "vpp" is not a driver of a lab: linuxbridge or ovs',
    );
  });

  test('roles go as drivers do, and compute is none', () => {
    const rolesOf = (...roles: readonly string[]): readonly (readonly string[])[] =>
      labHosts(2, 'ipv4', [], roles).map((host) => host.roles);
    expect(rolesOf()).toEqual([[], []]);
    expect(rolesOf('network')).toEqual([['network'], ['network']]);
    expect(rolesOf('network', 'compute')).toEqual([['network'], []]);
    expect(() => rolesOf('network', 'compute', 'compute')).toThrow('neither one role for all nor one for each of 2');
    expect(() => rolesOf('router')).toThrow('roles: "router" is not a role of a lab\'s host: network or compute');
  });
});

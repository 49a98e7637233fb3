import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCidr } from '#platform/net/cidr.ts';
import type { Cidr } from '#platform/net/cidr.ts';
import { bigIntToIp, ipToBigInt, parseIp } from '#platform/net/ip-address.ts';
import type { IpAddress } from '#platform/net/ip-address.ts';
import { checkPools, defaultPools, holds } from './allocation-pool.ts';
import { firstHost, hostRange, isHostOf } from './host-range.ts';
import { parseSubnetCidr } from './subnet.ts';

const cidr = (text: string): Cidr => parseCidr('cidr', text);
const ip = (text: string): IpAddress => parseIp('ip', text);

test.each([
  ['10.0.0.0/24', '10.0.0.1', '10.0.0.254'],
  ['10.0.0.0/30', '10.0.0.1', '10.0.0.2'],
  ['10.0.0.0/31', '10.0.0.0', '10.0.0.1'],
  ['10.0.0.9/32', '10.0.0.9', '10.0.0.9'],
  ['2001:db8::/64', '2001:db8::1', '2001:db8::ffff:ffff:ffff:ffff'],
  ['2001:db8::/126', '2001:db8::1', '2001:db8::3'],
  ['2001:db8::/127', '2001:db8::', '2001:db8::1'],
  ['2001:db8::9/128', '2001:db8::9', '2001:db8::9'],
])('the hosts of %s are %s to %s', (text, first, last) => {
  const of = cidr(text);
  expect([firstHost(of), bigIntToIp(of.version, hostRange(of).last)]).toEqual([first, last]);
  expect(isHostOf(of, ip(first)) && isHostOf(of, ip(last))).toBe(true);
});

test('a host is of the version of its prefix', () => {
  expect(isHostOf(cidr('10.0.0.0/24'), ip('2001:db8::1'))).toBe(false);
});

/** A prefix of a few hosts, and one of its addresses. */
const small = fc
  .tuple(fc.constantFrom(4 as const, 6 as const), fc.integer({ min: 0, max: 6 }), fc.nat(63))
  .map(([version, bits, offset]) => {
    const length = (version === 4 ? 32 : 128) - bits;
    const of = cidr(version === 4 ? `10.0.0.64/${length.toString()}` : `2001:db8::40/${length.toString()}`);
    return { of, address: bigIntToIp(version, of.first + BigInt(offset % 2 ** bits)) };
  });

const each = (of: Cidr): readonly IpAddress[] =>
  Array.from({ length: Number(of.last - of.first) + 1 }, (_, at) => bigIntToIp(of.version, of.first + BigInt(at)));

test('the default pools hold each host but the gateway, and nothing else', () => {
  fc.assert(
    fc.property(small, ({ of, address }) => {
      const pools = defaultPools(of, address);
      const held = each(of).filter((one) => pools.some((pool) => holds(pool, one)));
      expect(held).toEqual(each(of).filter((one) => isHostOf(of, one) && one !== address));
      expect(() => {
        checkPools('pools', of, pools);
      }).not.toThrow();
    }),
  );
});

test('pools are accepted exactly when each is hosts in order and no two share one', () => {
  const pool = fc.tuple(small, fc.array(fc.tuple(fc.nat(63), fc.nat(63)), { maxLength: 4 }));
  fc.assert(
    fc.property(pool, ([{ of }, ends]) => {
      const all = each(of);
      const at = (place: number): IpAddress => all[place % all.length] ?? of.network;
      const pools = ends.map(([start, end]) => ({ start: at(start), end: at(end) }));
      const sound = pools.every(
        ({ start, end }) => isHostOf(of, start) && isHostOf(of, end) && ipToBigInt(start) <= ipToBigInt(end),
      );
      const apart = all.every((one) => pools.filter((each) => holds(each, one)).length <= 1);
      const check = (): void => {
        checkPools('pools', of, pools);
      };
      if (sound && apart) expect(check).not.toThrow();
      else expect(check).toThrow(/^pools/);
    }),
  );
});

describe('prefixes of subnets', () => {
  test.each([
    '10.0.0.0/8',
    '192.168.0.0/16',
    '169.254.0.0/16',
    '240.0.0.0/8',
    '2001:db8::/32',
    'fd00::/8',
    '10.0.0.1/32',
  ])('%s will do', (text) => {
    expect(parseSubnetCidr('cidr', text).text).toBe(text);
  });

  test.each([
    '0.0.0.0/0',
    '0.0.0.0/8',
    '127.0.0.1/32',
    '224.0.0.0/3',
    '255.255.255.255/32',
    '::/0',
    '::1/128',
    'fe80::/10',
    'ff02::/16',
    '64:ff9b::/96',
  ])('%s is for no station', (text) => {
    expect(() => parseSubnetCidr('cidr', text)).toThrow(/no station/);
  });
});

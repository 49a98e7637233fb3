import { describe, expect, test } from 'vitest';
import { linkLocalOf } from '#platform/net/eui64.ts';
import { type IpAddress, parseIp } from '#platform/net/ip-address.ts';
import { entryOf, hostOf, networkOf, vtepOf } from '../testing/arbitraries.ts';
import type { Port } from './entry.ts';
import { placePort, removePort, sameVtep } from './placement.ts';
import { GONE } from './table.ts';

const { portId, mac, ips } = entryOf(0, vtepOf(0));
const bound: Port = {
  id: portId,
  networkId: networkOf(0),
  revision: 7,
  mac,
  ips,
  adminStateUp: true,
  boundTo: hostOf(0),
  generation: 3n,
};
const { boundTo: _, ...unbound } = bound;
const host = { id: hostOf(0), revision: 5, vtep: vtepOf(0), down: false };
const plain = { withdrawDead: false, redelivered: false };

describe('a port', () => {
  test('stands in the table where its host is', () => {
    expect(placePort(bound, { ...plain, host })).toEqual({
      kind: 'set',
      version: { port: 7, host: 5 },
      entry: entryOf(0, vtepOf(0), 3),
      redelivered: false,
    });
  });

  test('stands where its event says, as long as its host is not known', () => {
    expect(placePort(bound, { ...plain, vtep: vtepOf(0, 1) })).toMatchObject({
      version: { port: 7, host: 0 },
      entry: { vtep: vtepOf(0, 1) },
    });
  });

  test('that serves IPv6 is found by its link-local address too', () => {
    const [four, six] = [parseIp('ip', '10.0.0.1'), parseIp('ip', '2001:db8::1')];
    const found = (ips: readonly IpAddress[], serving?: true): readonly string[] => {
      const operation = placePort({ ...bound, ips, ...(serving && { serving }) }, { ...plain, host });
      return operation.kind === 'set' ? operation.entry.ips : [];
    };
    expect(found([four, six], true)).toEqual([four, six, linkLocalOf(mac)]);
    expect(found([six, linkLocalOf(mac)], true)).toEqual([six, linkLocalOf(mac)]);
    expect(found([four], true)).toEqual([four]);
    expect(found([four, six])).toEqual([four, six]);
  });

  const { vtep: __, ...nowhere } = host;
  test.each([
    ['bound nowhere', unbound, { ...plain, host }, 0],
    ['administratively down', { ...bound, adminStateUp: false }, { ...plain, host }, 5],
    ['on a host without a VTEP', bound, { ...plain, host: nowhere }, 5],
    ['on a host nobody knows', bound, plain, 0],
    ['on a dead host, by policy', bound, { ...plain, host: { ...host, down: true }, withdrawDead: true }, 5],
  ])('does not stand in it when it is %s', (_name, port, surroundings, known) => {
    expect(placePort(port, surroundings)).toMatchObject({ kind: 'remove', portId, version: { port: 7, host: known } });
  });

  test('stays although its host is dead, unless the policy says otherwise', () => {
    expect(placePort(bound, { ...plain, host: { ...host, down: true } }).kind).toBe('set');
  });

  test('that is deleted is gone for good at that revision', () => {
    expect(removePort(bound, true)).toEqual({
      kind: 'remove',
      portId,
      version: { port: 7, host: GONE },
      redelivered: true,
    });
  });
});

test('VTEPs are the same when they take packets at the same place', () => {
  expect(sameVtep(vtepOf(1), vtepOf(1))).toBe(true);
  expect(sameVtep(undefined, undefined)).toBe(true);
  expect(sameVtep(vtepOf(1), undefined)).toBe(false);
  expect(sameVtep(vtepOf(1), vtepOf(1, 2))).toBe(false);
  expect(sameVtep(vtepOf(1), vtepOf(2))).toBe(false);
});

import { describe, expect, test } from 'vitest';
import { nullLog } from '#platform/log/log.ts';
import { parseIp } from '#platform/net/ip-address.ts';
import { NO_UPLINKS } from '../../model/uplinks.ts';
import type { HostInterface } from '../../model/interface.ts';
import type { Operation } from '../../model/operation.ts';
import { MOVE, moveOperations } from '../../plan/address-moves.ts';
import { HostAddresses } from './host-addresses.ts';

const never = new AbortController().signal;
const VTEP = '192.0.2.12';

const bearing = (...addresses: readonly string[]): HostInterface => ({
  ...{ name: 'eth1', up: true, mtu: 1500 },
  addresses: addresses.map((address) => ({ address, words: [address] })),
});

/** Of a host whose interface has these addresses now. */
const host = (...addresses: readonly string[]): HostAddresses => {
  const addr_info = addresses.map((each) => {
    const [local, prefix] = each.split('/');
    return { family: 'inet', local, prefixlen: Number(prefix), scope: 'global' };
  });
  const stdout = JSON.stringify([{ ifname: 'eth1', mtu: 1500, flags: ['UP'], addr_info }]);
  return new HostAddresses({
    settings: { ...NO_UPLINKS, hostId: 'h2', movesAddresses: true, reachWithinMs: 100 },
    vtep: parseIp('vtep', VTEP),
    commands: { run: async () => Promise.resolve({ status: 0, stdout, stderr: '' }) },
    sysctl: { read: async () => Promise.resolve('0'), write: async () => Promise.resolve() },
    ...{ prefix: [], log: nullLog, release: async () => Promise.resolve() },
  });
};

test('an interface that bears the address of the VTEP is refused, and no other', () => {
  const addresses = host();
  expect(addresses.refusal('eth1', bearing('10.0.0.5/24', `${VTEP}/24`))).toContain(`eth1 of host h2 carries ${VTEP}`);
  expect(addresses.refusal('eth1', bearing('192.0.2.1/24', '192.0.2.120/24'))).toBeUndefined();
  expect(addresses.refusal('eth1', undefined)).toBeUndefined();
});

describe('a move that two networks of one wire want', () => {
  const flow: Operation = { kind: 'add-flow', key: 'flow', argv: ['ovs-ofctl'], reason: '' };
  const steps = [flow, ...moveOperations('n', bearing('10.0.0.5/24'), 'br-provider', [])];

  test.each([
    { now: [], tried: 1 },
    { now: ['10.0.0.5/24'], tried: 3 },
  ])('is done by the first: with $now on the interface', async ({ now, tried }) => {
    let applied: readonly Operation[] = [];
    const outcomes = await host(...now).guard(
      steps,
      async (operations) => {
        applied = operations;
        return Promise.resolve(operations.map((operation) => ({ operation })));
      },
      never,
    );
    expect(applied).toHaveLength(tried);
    expect(outcomes.map(({ operation }) => operation)).toEqual(steps);
    expect(outcomes.every(({ error }) => error === undefined)).toBe(true);
    expect(steps.filter(({ kind }) => kind === MOVE)).toHaveLength(2);
  });
});

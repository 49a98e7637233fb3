import { expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import type { PeerProbe } from '../underlay/probe.ts';
import { judgeSameness } from './underlay-mtu-differs.ts';
import { judgePaths } from './underlay-mtu-too-small.ts';
import { judgeReach } from './vtep-unreachable.ts';

const V4 = parseIp('peer', '192.0.2.12');
const V6 = parseIp('peer', '2001:db8::12');
const peer = (address = V4) => ({ address, from: 'host h2' });
const answers = (ownMtu: number, pathMtu: number, lostMtu?: number): PeerProbe => ({
  ...{ kind: 'answers', device: 'eth0', ownMtu, pathMtu },
  ...(lostMtu !== undefined && { lostMtu }),
});
const held = (mtu: number) => ({ what: 'network blue', mtu, held: true });

test.each([
  ['IPv4 takes 50 of 1500', V4, 1450, undefined],
  ['one byte more does not fit', V4, 1451, 1501],
  ['IPv6 takes 70 of 1500', V6, 1430, undefined],
  ['and no more fits there', V6, 1431, 1501],
])('%s', (_what, address, mtu, needed) => {
  const findings = judgePaths([peer(address)], [held(mtu)], new Map([[address, answers(1500, 1500)]]));
  expect(findings.map(({ title }) => title)).toEqual(
    needed === undefined
      ? []
      : [`the underlay carries 1500 bytes to VTEP ${address} (host h2), network blue needs ${needed}`],
  );
});

test('what this host can mend itself is a command for its device; what it cannot, one for the network', () => {
  const own = judgePaths([peer()], [held(1450)], new Map([[V4, answers(1400, 1400)]]));
  expect(own[0]?.remedy).toEqual([{ kind: 'run', argv: ['ip', 'link', 'set', 'dev', 'eth0', 'mtu', '1500'] }]);
  const path = judgePaths([peer()], [held(1450)], new Map([[V4, answers(1500, 1400)]]));
  expect(path[0]?.remedy).toEqual([{ kind: 'run', argv: ['weft', 'network', 'update', 'blue', '--mtu', '1350'] }]);
});

test('a network that this host does not hold is a warning, and the worst of those that it holds is named', () => {
  const demands = [held(1450), held(1460), { what: 'network jumbo', mtu: 8950, held: false }];
  const probes = new Map([[V4, answers(1500, 1500)]]);
  expect(judgePaths([peer()], demands, probes)).toMatchObject([
    { severity: 'error', title: expect.stringMatching(/blue needs 1510$/) as string },
  ]);
  expect(judgePaths([peer()], demands.slice(2), probes)).toMatchObject([{ severity: 'warning' }]);
});

test('a search that was cut short tells both bounds', () => {
  const [finding] = judgePaths([peer()], [held(1450)], new Map([[V4, answers(1500, 1300, 1420)]]));
  expect(finding?.evidence[0]).toBe(
    'eth0 has MTU 1500; of unfragmented packets to 192.0.2.12 1300 bytes arrive, 1420 do not',
  );
});

test('one MTU from end to end is right, whatever it is; two are told of', () => {
  expect(judgeSameness([{ ...peer(), underlayMtu: 9000 }], new Map([[V4, answers(9000, 9000)]]))).toEqual([]);
  expect(judgeSameness([{ ...peer(), underlayMtu: 1500 }], new Map([[V4, answers(9000, 9000)]]))).toMatchObject([
    {
      severity: 'warning',
      title: "the underlay's MTU towards VTEP 192.0.2.12 is not the same all the way: 9000 on eth0, host h2 has 1500",
    },
  ]);
  expect(judgeSameness([peer()], new Map([[V4, answers(1500, 1400)]]))).toHaveLength(1);
});

test.each([
  [{ kind: 'no-route' }, ['error']],
  [{ kind: 'silent', device: 'eth0', neighbour: 'FAILED' }, ['error']],
  [{ kind: 'silent', device: 'eth0', neighbour: 'REACHABLE' }, ['warning']],
  [{ kind: 'silent', device: 'eth0' }, ['warning']],
  [answers(1500, 1500), []],
] as const)('of a peer of which is known %j, it says %j', (probe, severities) => {
  expect(judgeReach([peer()], new Map([[V4, probe]])).map(({ severity }) => severity)).toEqual(severities);
});

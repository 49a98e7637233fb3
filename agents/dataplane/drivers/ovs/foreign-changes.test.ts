import { expect, test } from 'vitest';
import { parseIp } from '#platform/net/ip-address.ts';
import { parseMac } from '#platform/net/mac-address.ts';
import { parseVni } from '#platform/net/vni.ts';
import type { FlowUpdate } from '../../protocols/openflow/flow-monitor.ts';
import { numbered } from './flow-spec.ts';
import type { FlowSpec } from './flow-spec.ts';
import { baseFlows, networkFlows } from './flows.ts';
import { suspectOf } from './foreign-changes.ts';
import { BASE_COOKIE, cookieOf, ownerOf, watchCookie, WATCH_COOKIES } from './pipeline.ts';

const vni = parseVni('vni', 70);
const largest = parseVni('vni', 16_777_215);
const FOREIGN = 0x99n;

const flowOf = (spec: FlowSpec): FlowUpdate => {
  const { flow } = numbered(spec, (device) => Number(device.slice(3)));
  if (flow === undefined) throw new Error('no number');
  return { event: 'added', ...flow };
};

test('a cookie tells whose the flow is', () => {
  expect(ownerOf(BASE_COOKIE)).toBe('base');
  expect([vni, largest].map((each) => ownerOf(cookieOf(each)))).toEqual([vni, largest]);
  const watches = [0, 1, 0xff_ffff, 0x100_0005].map(watchCookie);
  expect(watches.map(ownerOf)).toEqual(['watch', 'watch', 'watch', 'watch']);
  expect(watches.map((cookie) => cookie & WATCH_COOKIES.cookieMask)).toEqual(watches.map(() => WATCH_COOKIES.cookie));
  const others = [0n, 70n, BASE_COOKIE - 1n, BASE_COOKIE | 0x0100_0000n, BASE_COOKIE | 0xfeff_ffffn];
  expect(others.map(ownerOf)).toEqual(others.map(() => undefined));
  expect(ownerOf((1n << 64n) - 1n)).toBeUndefined();
});

test.each(['added', 'removed', 'modified'] as const)('%s: what has a cookie of ours is of its owner', (event) => {
  const update = (cookie: bigint): FlowUpdate => ({ event, cookie, table: 99, priority: 1, match: {} });
  expect(suspectOf(update(BASE_COOKIE))).toBe('base');
  expect(suspectOf(update(cookieOf(vni)))).toEqual({ vni });
  expect(suspectOf(update(watchCookie(3)))).toBe('watch');
  expect(suspectOf(update(FOREIGN))).toBeUndefined();
});

test('a foreign flow in the place of any of ours is seen to be there', () => {
  for (const options of [{}, { directsSolicitations: true }]) {
    for (const flow of baseFlows(options)) {
      expect([flow, suspectOf({ ...flowOf(flow), cookie: FOREIGN })]).toEqual([flow, 'base']);
    }
    const flows = networkFlows(vni, options);
    const mac = parseMac('mac', 'fa:16:3e:00:00:01');
    const to = { address: parseIp('ip', '192.0.2.12'), udpPort: 4789 };
    const all = [
      flows.fromTunnel(),
      flows.responder(parseIp('ip', '10.0.0.1'), mac),
      flows.responder(parseIp('ip', 'fd00::1'), mac),
      flows.toPort(mac, 'tap1'),
      ...flows.flood(['tap1'], []),
    ];
    for (const flow of all) {
      expect([flow, suspectOf({ ...flowOf(flow), cookie: FOREIGN })]).toEqual([flow, { vni }]);
    }
    expect(suspectOf({ ...flowOf(flows.fromPort('tap7')), cookie: FOREIGN })).toEqual({ port: 7 });
    expect(suspectOf({ ...flowOf(flows.fromPort('tap7')), cookie: FOREIGN, priority: 200 })).toBe('watch');
    expect(numbered(flows.toRemote(mac, to), () => 1).flow).toMatchObject({ priority: 100, table: 30 });
  }
});

test('a foreign flow elsewhere, and one that goes, is nothing to us', () => {
  const [last] = baseFlows();
  const network = flowOf(networkFlows(vni).fromTunnel());
  if (last === undefined) throw new Error('no base flow');
  const elsewhere: readonly FlowUpdate[] = [
    { ...network, event: 'removed' },
    { ...network, table: 5 },
    { ...network, priority: 99 },
    { ...network, match: { tun_id: { value: 70n, mask: 0xffn } } },
    { ...network, match: { tun_id: { value: 0x100_0000n } } },
    { ...network, match: { eth_dst: { value: 1n } } },
    { ...flowOf(last), priority: 1 },
    { ...flowOf(last), event: 'removed' },
  ];
  for (const update of elsewhere)
    expect([update, suspectOf({ ...update, cookie: FOREIGN })]).toEqual([update, undefined]);
});

import { expect, onTestFinished, test } from 'vitest';
import { DomainError } from '#platform/errors/domain-error.ts';
import { nullLog } from '#platform/log/log.ts';
import { eventually } from '#platform/testing/eventually.ts';
import type { LinkEvent } from '../../model/host.ts';
import { flowKey } from '../../protocols/openflow/flow-identity.ts';
import type { Flow, FlowMod } from '../../protocols/openflow/flow.ts';
import { ChecksumWatch } from './checksum-watch.ts';
import { WATCH_COOKIES, WHOLE_COOKIE, watchCookie } from './pipeline.ts';
import { PARTIAL_SYN, RIGHT_SYN } from './testing/segments.ts';

const BRIDGE = 'br-int';

/** A switch, as far as it is asked here. */
class Switch {
  readonly flows = new Map<string, Flow>();
  readonly numbers = new Map<string, number>();
  inUserSpace = true;
  away = false;
  changes = 0;

  readonly changeFlows = async (mods: readonly FlowMod[]): Promise<readonly (string | undefined)[]> => {
    if (this.away) throw new DomainError('unavailable', 'OPENFLOW_UNREACHABLE', 'it is away');
    this.changes += mods.length;
    for (const mod of mods) {
      if (mod.command === 'add') this.flows.set(flowKey(mod.flow), mod.flow);
      else if (mod.command === 'delete') {
        const { cookie = 0n, cookieMask = WHOLE_COOKIE } = mod;
        for (const [key, flow] of this.flows) if (((flow.cookie ^ cookie) & cookieMask) === 0n) this.flows.delete(key);
      } else throw new Error(mod.command);
    }
    return Promise.resolve(mods.map(() => undefined));
  };

  /** Numbers of ports whose SYNs are copied, one for each version of IP. */
  get watched(): readonly number[] {
    return [...this.flows.values()].map(({ match }) => Number(match.in_port?.value)).sort((a, b) => a - b);
  }

  cookieOf(port: number): bigint {
    return [...this.flows.values()].find(({ match }) => Number(match.in_port?.value) === port)?.cookie ?? 0n;
  }
}

const watching = (ports: Readonly<Record<string, number>> = {}) => {
  const ovs = new Switch();
  const warnings: string[] = [];
  const watch = new ChecksumWatch({
    bridge: BRIDGE,
    isNeeded: () => ovs.inUserSpace,
    portOf: (device) => ovs.numbers.get(device),
    changeFlows: ovs.changeFlows,
    remedy: async ({ name }) => Promise.resolve(`mend ${name}`),
    warn: (device, message) => warnings.push(`${device}: ${message}`),
    log: nullLog,
  });
  onTestFinished(() => watch.stop());
  const plug = (name: string, number: number, event: Partial<LinkEvent> = {}): void => {
    ovs.numbers.set(name, number);
    watch.link({ kind: 'present', name, index: number, master: BRIDGE, mac: 'fa:16:3e:00:00:01', ...event });
  };
  for (const [name, number] of Object.entries(ports)) plug(name, number);
  const syn = (cookie: bigint, hex: string): void => {
    watch.packet({ cookie, data: Uint8Array.from(Buffer.from(hex, 'hex')) });
  };
  const watched = async (...numbers: readonly number[]): Promise<void> => {
    await eventually(`watched: ${numbers.toString()}`, () => ovs.watched.toString() === numbers.toString());
  };
  return { ovs, watch, warnings, plug, syn, watched };
};

test('a port is watched until one SYN of it was judged, and not again while it stays', async () => {
  const { ovs, watch, warnings, plug, syn, watched } = watching({ tap1: 1, tap2: 2 });
  await watched(1, 1, 2, 2);
  syn(ovs.cookieOf(1), RIGHT_SYN);
  await watched(2, 2);
  watch.rewrite();
  plug('tap1', 1, { mac: 'fa:16:3e:00:00:09' });
  plug('tap3', 3);
  await watched(2, 2, 3, 3);
  expect(warnings).toEqual([]);
});

test('a guest that leaves its checksums is told of once a plug, with what mends it', async () => {
  const { ovs, watch, warnings, plug, syn, watched } = watching();
  // Whose it is may be told after it is there.
  plug('tap1', 1, { mac: 'fe:16:3e:00:00:01' });
  plug('tap1', 1);
  await watched(1, 1);
  const cookie = ovs.cookieOf(1);
  for (let n = 0; n < 3; n += 1) syn(cookie, PARTIAL_SYN);
  await watched();
  expect(warnings).toEqual([
    'tap1: fa:16:3e:00:00:01 leaves its TCP checksums to a device: a SYN from 10.9.0.1:38836 to 10.9.0.2:81 had the ' +
      'partial checksum 0x1443, that of the pseudo-header alone, where 0x62b6 is right; Open vSwitch in user space passes ' +
      'it on as it is and whoever gets it drops it, so that ping works and TCP hangs; mend tap1',
  ]);
  watch.link({ kind: 'gone', name: 'tap1', index: 1 });
  plug('tap1', 1, { index: 7 });
  await watched(1, 1);
  // Of the plug that is gone nothing is taken.
  syn(cookie, PARTIAL_SYN);
  expect(ovs.cookieOf(1)).not.toBe(cookie);
  syn(ovs.cookieOf(1), PARTIAL_SYN.replace('14430000', 'beef0000'));
  await eventually('a second warning', () => warnings.length === 2);
  expect(warnings[1]).toContain('sends wrong TCP checksums: a SYN from 10.9.0.1:38836 to 10.9.0.2:81 had 0xbeef');
});

test('ports are watched by the numbers that they have, and in the bridge only', async () => {
  const { ovs, watch, plug, watched } = watching({ tap1: 1, tap2: 2 });
  plug('eth0', 9, { master: 'br-other' });
  await watched(1, 1, 2, 2);
  ovs.numbers.set('tap1', 2);
  ovs.numbers.set('tap2', 1);
  watch.update();
  await eventually('renumbered', () => ovs.cookieOf(1) === watchCookie(1));
  await watched(1, 1, 2, 2);
  ovs.numbers.delete('tap1');
  watch.update();
  await watched(1, 1);
  plug('tap2', 1, { master: 'br-other' });
  await watched();
});

test('a datapath that finishes checksums is left without any flow', async () => {
  const { ovs, watch, plug, watched } = watching();
  ovs.inUserSpace = false;
  plug('tap1', 1);
  await eventually('what an earlier run left is gone', () => ovs.changes === 1);
  plug('tap2', 2);
  ovs.inUserSpace = true;
  watch.update();
  await watched(1, 1, 2, 2);
  ovs.inUserSpace = false;
  watch.update();
  await watched();
});

test('after the switch was away, what is to be watched is, and nothing that an earlier run watched', async () => {
  const { ovs, watch, watched, syn } = watching();
  ovs.away = true;
  const old = { table: 0, priority: 200, match: { in_port: { value: 8n } }, actions: [] };
  ovs.flows.set('old', { ...old, cookie: watchCookie(77) });
  ovs.flows.set('other', { ...old, cookie: WATCH_COOKIES.cookie - 1n, match: { in_port: { value: 9n } } });
  ovs.numbers.set('tap1', 1);
  watch.link({ kind: 'present', name: 'tap1', index: 1, master: BRIDGE });
  await new Promise((resolve) => {
    setTimeout(resolve, 250);
  });
  expect(ovs.watched).toEqual([8, 9]);
  ovs.away = false;
  watch.rewrite();
  await watched(1, 1, 9);
  ovs.flows.delete('other');
  ovs.flows.clear();
  watch.rewrite();
  await watched(1, 1);
  syn(ovs.cookieOf(1), RIGHT_SYN);
  await watched();
});

test('a guest whose SYNs tell nothing is let be after a while', async () => {
  const { ovs, warnings, syn, watched } = watching({ tap1: 1 });
  await watched(1, 1);
  const cookie = ovs.cookieOf(1);
  for (let n = 0; n < 15; n += 1) syn(cookie, RIGHT_SYN.slice(0, 80));
  syn(watchCookie(99), PARTIAL_SYN);
  expect(ovs.watched).toEqual([1, 1]);
  syn(cookie, '');
  await watched();
  syn(cookie, PARTIAL_SYN);
  expect(warnings).toEqual([]);
});

import { describe, expect, test } from 'vitest';
import { preflight } from './preflight.ts';
import { findTool } from './tools.ts';
import type { Tool } from './tools.ts';

const signal = AbortSignal.timeout(10_000);

describe('preflight', () => {
  test('tells that this machine has what a lab needs, tried out on its kernel', async () => {
    const { ok, checks } = await preflight(signal);
    expect(checks.filter((check) => !check.ok)).toEqual([]);
    expect(ok).toBe(true);
    expect(checks.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['root', 'ip', 'redis-server', 'nats-server', 'namespaces', 'bridge', 'veth', 'vxlan']),
    );
  });

  test('names each thing that is missing with the command that mends it', async () => {
    const missing = new Set<string>(['nats-server', 'redis-server']);
    const { ok, checks } = await preflight(
      signal,
      {},
      { uid: 1000, find: (tool) => (missing.has(tool) ? undefined : findTool(tool)) },
    );
    expect(ok).toBe(false);
    expect(checks.filter((check) => !check.ok).map(({ what, mend }) => [what, mend])).toEqual([
      ['root', 'run it with sudo'],
      ['nats-server', 'apt-get install --yes --no-install-recommends nats-server'],
      ['redis-server', 'apt-get install --yes --no-install-recommends redis-server'],
    ]);
  });

  test('asks for Open vSwitch only where a host shall have it', async () => {
    const machine = { uid: 1000, find: (tool: Tool) => (tool.startsWith('ov') ? undefined : findTool(tool)) };
    const amiss = async (switches: boolean): Promise<readonly string[]> =>
      (await preflight(signal, { switches }, machine)).checks.filter(({ ok }) => !ok).map(({ mend }) => mend);
    const install = 'apt-get install --yes --no-install-recommends openvswitch-switch';
    expect(await amiss(false)).toEqual(['run it with sudo']);
    expect(new Set(await amiss(true))).toEqual(new Set(['run it with sudo', install]));
  });
});
